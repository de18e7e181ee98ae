"""How log records become lines, and where they go.

The library adds no handlers by itself. What runs as a program of ours (the command line,
``fluxsync.wsgi``, the supervisor) calls :func:`configure`.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import sys
import time
import typing as t

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}


#: So many lines may wait to be written in the background.
_MAX_WAITING = 10_000


class LineFormatter(logging.Formatter):
    """``time LEVEL logger: message key=value ...``, the facts in ``extra`` at the end."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Append the extra facts."""
        facts = (
            f"{key}={_quote(value)}"
            for key, value in vars(record).items()
            if key not in _STANDARD and value not in (None, "")
        )
        return " ".join((super().formatMessage(record), *facts))


def _quote(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    # One record is one line: control characters are shown, not obeyed.
    if text.isprintable() and " " not in text and '"' not in text:
        return text
    return (
        '"'
        + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text).replace('"', '\\"')
        + '"'
    )


def configure(level: str, *, background: bool = False) -> None:
    """Send the package's log to standard error, once per process.

    Does nothing but set the level where the user's program has set up logging.

    :param level: ``debug``, ``info``, ...
    :param background: Write from a thread of its own, and lose lines when they pile up. A
        terminal that was stopped, or a pipe that nobody reads, then stops nobody else.
    """
    logger = logging.getLogger("fluxsync")
    logger.setLevel(level.upper())
    if logger.handlers or logging.getLogger().handlers:
        return
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    if background:
        handler = _in_background(handler)
    logger.addHandler(handler)
    logger.propagate = False


class _LossyHandler(logging.handlers.QueueHandler):
    """Puts records into a queue, and throws away what doesn't fit."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def _in_background(handler: logging.Handler) -> logging.Handler:
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_MAX_WAITING)
    logging.handlers.QueueListener(lines, handler).start()
    return _LossyHandler(lines)


def drain(timeout: float) -> None:
    """Wait until the background has written everything.

    :param timeout: Seconds to wait at most.
    """
    deadline = time.monotonic() + timeout
    for handler in logging.getLogger("fluxsync").handlers:
        if isinstance(handler, _LossyHandler):
            lines = t.cast("queue.Queue[logging.LogRecord]", handler.queue)
            while lines.unfinished_tasks and time.monotonic() < deadline:
                time.sleep(0.005)
