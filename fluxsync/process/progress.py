"""One line on a terminal that says what is waited for. Standard library only."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import typing as t


class Progress:
    """A line that is written again and again, and is gone afterwards.

    Where standard error is no terminal, nothing is written. Belongs to one thread.

    :param stream: In place of standard error.
    """

    def __init__(self, stream: t.TextIO | None = None) -> None:
        self._file = -1
        self._length = 0
        self._shown = ""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            file = (stream or sys.stderr).fileno()
            if os.isatty(file) and os.environ.get("TERM") != "dumb":
                self._file = file

    def show(self, text: str) -> None:
        """Show a text in place of the one before."""
        if self._file >= 0 and text != self._shown:
            # The cursor goes back to the beginning: a line of the log that comes meanwhile
            # is written over this.
            self._write(f"{text.ljust(self._length)}\r")
            self._shown, self._length = text, len(text)

    def clear(self) -> None:
        """Have nothing there."""
        if self._shown:
            self._write(f"{' ' * self._length}\r")
            self._shown, self._length = "", 0

    def _write(self, text: str) -> None:
        poller = select.poll()
        poller.register(self._file, select.POLLOUT)
        # A terminal that somebody has stopped (^S) would keep this thread.
        if any(events & select.POLLOUT for _, events in poller.poll(0)):
            with contextlib.suppress(OSError):
                os.write(self._file, text.encode())
