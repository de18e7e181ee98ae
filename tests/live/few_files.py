"""gunicorn's settings where the system allows few open files."""

from __future__ import annotations

import resource

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
