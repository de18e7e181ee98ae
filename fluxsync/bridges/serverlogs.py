"""Logging under each WSGI server: ours, and what the server itself writes to standard error.

gunicorn and Flask have handlers of their own. Those stay, but say no secrets any more, and speak
JSON if we do. Handlers that somebody else has added aren't touched.
"""

from __future__ import annotations

import logging
import sys
import typing as t

from ..telemetry import logs
from ..telemetry.formats import (
    JSON,
    JsonFormatter,
    LineFormatter,
    RedactingFormatter,
    make_formatter,
)

#: Servers that log with :mod:`logging`, and leave handlers to others.
_BARE = ("waitress", "werkzeug")
_OURS = (JsonFormatter, LineFormatter, RedactingFormatter)


class Settings(t.Protocol):
    """What the settings of an application say about logs."""

    @property
    def log_level(self) -> str:
        """``debug``, ``info``, ..."""

    @property
    def log_format(self) -> str:
        """``text`` or ``json``."""

    def source(self, name: str) -> str:
        """Return where a setting's value comes from."""

    def secrets(self) -> frozenset[str]:
        """Return what must not be seen anywhere."""


def configure(settings: Settings, *, insist: bool = False) -> None:
    """Log as the settings say, in a process that serves.

    :param insist: Also where the program has set up logging by itself. It's so anyway if
        ``log_format`` was set.
    """
    wanted = insist or settings.source("log_format") != "default"
    logs.configure(
        settings.log_level, settings.log_format, insist=wanted, secrets=settings.secrets()
    )
    for name in _BARE:
        if name in sys.modules:
            logs.adopt(name)
    format_gunicorn(settings.log_format)
    flask_logging: t.Any = sys.modules.get("flask.logging")
    if flask_logging is not None:
        handler = flask_logging.default_handler
        # The API's logger had it, if that was asked for before there was one of ours.
        logging.getLogger("fluxsync.api").removeHandler(handler)
        _reformat(handler, settings.log_format)


def format_gunicorn(name: str, *, is_own: bool = False) -> None:
    """Have gunicorn's own handlers say no secrets.

    :param name: ``text`` or ``json``. The access log, which is for programs that know its format,
        stays what it is.
    :param is_own: Whether it's we who run gunicorn; its lines then look like ours.
    """
    for handler in _gunicorn_handlers("gunicorn.error"):
        if is_own:
            handler.setFormatter(make_formatter(name))
        else:
            _reformat(handler, name)
    for handler in _gunicorn_handlers("gunicorn.access"):
        if not isinstance(handler.formatter, RedactingFormatter):
            handler.setFormatter(RedactingFormatter(handler.formatter))


def _gunicorn_handlers(logger: str) -> list[logging.Handler]:
    """Return gunicorn's, not those of its ``logconfig``: they have its mark."""
    handlers = logging.getLogger(logger).handlers
    return [handler for handler in handlers if getattr(handler, "_gunicorn", False)]


def _reformat(handler: logging.Handler, name: str) -> None:
    own = handler.formatter
    if name == JSON:
        handler.setFormatter(JsonFormatter())
    elif not isinstance(own, _OURS):
        handler.setFormatter(RedactingFormatter(own))
