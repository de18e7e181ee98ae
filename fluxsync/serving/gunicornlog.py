"""gunicorn's logger where we run gunicorn: what it says looks like what we say."""

from __future__ import annotations

import typing as t

from gunicorn.glogging import Logger

from ..bridges import serverlogs
from ..config import FluxSyncSettings


class GunicornLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """Writes lines in the format that is set, without secrets."""

    def setup(self, cfg: t.Any) -> None:
        """Set up gunicorn's handlers; called again when it reads its configuration again."""
        super().setup(cfg)
        serverlogs.format_gunicorn(FluxSyncSettings().log_format, is_own=True)
