"""What gunicorn says when an application refuses to be loaded: ``gunicorn app:app``.

A setting that is wrong is the user's mistake, and a traceback doesn't help to find it. ``fluxsync
run`` and ``fluxsync.wsgi`` raise an exception of gunicorn's for that; a user's module doesn't.
"""

from __future__ import annotations

import logging
import sys

from ..exceptions import ConfigError, TargetError

#: Of gunicorn's arbiter, where a worker has failed before it could serve (20.1 to 27.0).
_FAILED = "Exception in worker process"


def shorten() -> None:
    """Have gunicorn, if it's there, say in one line which setting is wrong."""
    if "gunicorn.arbiter" in sys.modules:
        # The same function twice is one filter.
        logging.getLogger("gunicorn.error").addFilter(_in_one_line)


def _in_one_line(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (ConfigError, TargetError)) and record.msg == _FAILED:
        record.msg, record.args, record.exc_info = "fluxsync: %s", (error,), None
    return True
