"""Where log records go: to standard error, in the format and from the level that is set.

The library adds no handlers by itself. What serves the application, and what runs as a program of
ours (the command line, ``fluxsync.wsgi``, the supervisor), calls :func:`configure`.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import sys
import threading
import time
import traceback
import typing as t

from . import redaction
from .formats import JSON, TEXT, JsonFormatter, make_formatter

if t.TYPE_CHECKING:
    from collections.abc import Iterable

#: Characters that may wait to be written in the background.
_MAX_WAITING = 4 * 1024 * 1024
#: Says the format where settings can't be read, or aren't yet.
_FORMAT_VARIABLE = "FLUXSYNC_LOG_FORMAT"


class _Handler(logging.Handler):
    """Writes to standard error, whatever that is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        _write(self.format(record))


def _write(line: str) -> None:
    stream = sys.stderr
    if stream is None:
        return  # closed before Python was started, as some daemons have it
    # A full disk, or nobody reads any more: there's nowhere to say it.
    with contextlib.suppress(OSError, ValueError):
        stream.write(line + "\n")
        stream.flush()


class _LossyHandler(_Handler):
    """Writes from a thread of its own, and loses lines when they pile up."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: collections.deque[str] = collections.deque()
        self._changed = threading.Condition()
        self._size = 0
        self._lost = 0
        self._is_writing = False
        threading.Thread(target=self._run, name="fluxsync-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Leave the line to the thread."""
        line = self.format(record)
        with self._changed:
            if self._size + len(line) > _MAX_WAITING:
                self._lost += 1
                return
            self._size += len(line)
            self._lines.append(line)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                while not self._lines:
                    self._changed.wait()
                self._is_writing = True
                lines, lost = list(self._lines), self._lost
                self._lines.clear()
                self._lost = 0
            if lost:
                lines.append(self.format(_loss(lost)))
            for line in lines:
                _write(line)
                with self._changed:
                    self._size = max(0, self._size - len(line))

    def drain(self, timeout: float) -> None:
        """Wait until everything is written, so many seconds at most."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._lines or self._is_writing:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)


def _loss(lines: int) -> logging.LogRecord:
    message = "%d lines were lost, as nobody took them in time"
    return logging.LogRecord("fluxsync.log", logging.WARNING, "", 0, message, (lines,), None)


def configure(
    level: str,
    format: str = TEXT,  # what the setting is called
    *,
    insist: bool = False,
    secrets: Iterable[str] = (),
    background: bool = False,
) -> None:
    """Send the package's log to standard error.

    What the user's program has set up stays as it is: handlers and a level of ``fluxsync``, and
    handlers of the root logger. For loggers that nobody has set up, warnings go the same way as
    ours, and not as bare messages.

    :param level: ``debug``, ``info``, ...
    :param format: ``text`` or ``json``.
    :param insist: Log in this format whatever the program has set up.
    :param secrets: What is masked wherever it occurs.
    :param background: Write from a thread of its own, and lose lines when they pile up. A
        terminal that was stopped, or a pipe that nobody reads, then stops nobody else.
    """
    redaction.hide(secrets)
    logger = logging.getLogger("fluxsync")
    ours = _ours()
    is_set_up = bool(logger.handlers or logging.getLogger().handlers)
    if not ours and is_set_up and not insist:
        if logger.level == logging.NOTSET:
            logger.setLevel(level.upper())
        return
    logger.setLevel(level.upper())
    if not ours:
        logger.addHandler(_LossyHandler() if background else _Handler())
        logger.propagate = False
    for handler in _ours():
        handler.setFormatter(make_formatter(format))
    last = _Handler()
    last.setLevel(logging.WARNING)
    last.setFormatter(make_formatter(format))
    logging.lastResort = last
    if format == JSON:
        warned = logging.getLogger("py.warnings")
        if not (warned.handlers or logging.getLogger().handlers):
            warned.addHandler(_ours()[0])
            warned.propagate = False
        logging.captureWarnings(True)


def adopt(name: str) -> None:
    """Send a server's log the same way, unless it has handlers; its level is its own affair."""
    logger, ours = logging.getLogger(name), _ours()
    if ours and not logger.handlers:
        logger.addHandler(ours[0])
        logger.propagate = False


def last_words(message: str, error: BaseException | None = None) -> str:
    """Return what is to be printed to standard error, where there's no time to log.

    It's a line of the log if the log is JSON, so that all of it is. Else it's what people read.
    Before there is a log, the variable ``FLUXSYNC_LOG_FORMAT`` counts: what's wrong may be the
    settings themselves.

    :param message: Without, it's the error alone, and ends with a line feed.
    :param error: Why it ends, if people are to see its traceback.
    """
    if _is_json():
        info = (type(error), error, error.__traceback__) if error is not None else None
        said = message or str(error)
        record = logging.LogRecord("fluxsync", logging.ERROR, "", 0, "%s", (said,), info)
        return JsonFormatter().format(record) + ("" if message else "\n")
    trace = "".join(traceback.format_exception(error)) if error is not None else ""
    return redaction.redact_text(trace + message)


def _is_json() -> bool:
    """Whether the log is JSON; or is to be, as far as that's known yet."""
    ours = _ours()
    if not ours:
        return os.environ.get(_FORMAT_VARIABLE) == JSON
    return any(isinstance(handler.formatter, JsonFormatter) for handler in ours)


def _ours() -> list[logging.Handler]:
    handlers = logging.getLogger("fluxsync").handlers
    return [handler for handler in handlers if isinstance(handler, _Handler)]


def drain(timeout: float) -> None:
    """Wait until the background has written everything.

    :param timeout: Seconds to wait at most.
    """
    for handler in logging.getLogger("fluxsync").handlers:
        if isinstance(handler, _LossyHandler):
            handler.drain(timeout)
