"""gunicorn's configuration: ``gunicorn -c python:fluxsync.gunicorn_conf fluxsync.wsgi``.

The same settings as ``fluxsync run`` has, where a platform wants to start gunicorn itself.
They come from fluxsync's own (``PORT``, ``WEB_CONCURRENCY``, ``FLUXSYNC_THREADS`` and so on);
``GUNICORN_CMD_ARGS`` and the command line win over them. A ``gunicorn.conf.py`` may begin with
``from fluxsync.gunicorn_conf import *`` and go on with settings of its own.
"""

from __future__ import annotations

import sys

from .config import FluxSyncSettings
from .exceptions import ConfigError
from .serving.gunicorn import server_settings
from .telemetry import logs

try:
    # gunicorn reads the names of this module that are names of its settings.
    globals().update(server_settings(FluxSyncSettings()))
except ConfigError as error:
    # Else gunicorn prints a traceback where a file of its own imports this.
    sys.stderr.write(logs.last_words(f"Error: {error}") + "\n")
    raise SystemExit(2) from error
