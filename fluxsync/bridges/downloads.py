"""A response on its way to a client that takes it slowly; no thread waits for it.

Belongs to the relay's thread.
"""

from __future__ import annotations

import contextlib
import os
import socket
import typing as t

from .farewells import Farewell, abort
from .limits import look_again
from .polling import READ, WRITE

if t.TYPE_CHECKING:
    from .limits import Limits
    from .loop import Loop

#: Called at the end of a hand-over with the bytes that were sent to the client, and with what
#: went wrong, if anything did.
Over = t.Callable[[int, str], None]

#: What one call of sendfile(2) sends at most, so that others get their turn.
_PIECE = 1024 * 1024


class Source(t.Protocol):
    """Where the rest of a response comes from."""

    def fileno(self) -> int:
        """Return the open file's number."""

    def close(self) -> None:
        """Close it."""


class Download:
    """Sends the rest of a response to a client, from Streamlit's connection or from a file.

    :param source: A socket to read from, or a file, which is read from its position on.
    :param left: How many bytes are to come from the source; ``None`` is all until its end.
    :param over: Called at the end.
    """

    def __init__(
        self,
        loop: Loop,
        limits: Limits,
        client: socket.socket,
        source: Source,
        left: int | None,
        over: Over,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._client = client
        self._source = source
        self._left = left
        self._over = over
        self._out = bytearray()
        self._sent = 0
        #: What the poller waits for, on the client's socket and on Streamlit's.
        self._events = [0, 0]
        self._reader = _Reader(self) if isinstance(source, socket.socket) else None
        self._offset = 0 if self._reader else os.lseek(source.fileno(), 0, os.SEEK_CUR)
        self._moved_at = loop.now

    def start(self, first: bytes) -> None:
        """Begin.

        :param first: What is to be sent before what comes from the source.
        """
        self._client.setblocking(False)
        if isinstance(self._source, socket.socket):
            self._source.setblocking(False)
        self._out += first
        self._loop.add(self)
        self.on_events(WRITE)

    def on_events(self, events: int) -> None:
        """Send on to the client."""
        try:
            self._send()
        except BlockingIOError:
            pass
        except OSError as e:
            self._end(f"client: {e.strerror or e}")
            return
        except EOFError as e:
            self._end(str(e))
            return
        self._go_on()

    def read(self) -> None:
        """Read on from Streamlit."""
        assert isinstance(self._source, socket.socket)
        size = len(self._loop.buffer) if self._left is None else self._left
        try:
            count = self._source.recv_into(self._loop.buffer[:size])
        except BlockingIOError:
            return
        except OSError as e:
            self._end(f"streamlit: {e.strerror or e}")
            return
        self._moved_at = self._loop.now
        if not count:
            if self._left:
                self._end(f"the response broke off {self._left} bytes before its end")
                return
            self._left = 0
        elif self._left is not None:
            self._left -= count
        self._out += self._loop.buffer[:count]
        self.on_events(WRITE)

    def _send(self) -> None:
        if self._out:
            sent = self._client.send(self._out)
            del self._out[:sent]
        elif self._reader is None and self._left:
            piece = min(self._left, _PIECE)
            sent = os.sendfile(self._client.fileno(), self._source.fileno(), self._offset, piece)
            if not sent:
                raise EOFError("the file has become shorter")
            self._offset += sent
            self._left -= sent
        else:
            return
        self._sent += sent
        self._moved_at = self._loop.now

    def _go_on(self) -> None:
        """Wait for what comes next, or end."""
        if self._left == 0 and not self._out:
            self._end("")
            return
        from_file = self._reader is None and bool(self._left)
        # Nothing is expected from the client. That it went away is noticed when it's sent more.
        self._watch(0, WRITE if self._out or from_file else 0)
        self._watch(1, READ if self._reader is not None and not self._out else 0)

    def _watch(self, which: int, events: int) -> None:
        if events != self._events[which]:
            sock = self._client if which == 0 else t.cast(socket.socket, self._source)
            watched = self if which == 0 else t.cast(_Reader, self._reader)
            self._loop.watch(sock, self._events[which], events, watched)
            self._events[which] = events

    def check(self, now: float) -> float | None:
        """End when nothing moves any more."""
        waiting = bool(self._out) or self._reader is None
        limit, other = self._limits.transfer_limits(waits_for_client=waiting)
        if limit and now >= self._moved_at + limit:
            self._end("client: timed out" if waiting else "streamlit: timed out")
            return None
        return look_again(now, self._moved_at, limit, other)

    def fail(self, reason: str) -> None:
        """End at once."""
        self._end(reason)

    def _end(self, error: str) -> None:
        if self not in self._loop.tasks:
            return
        self._loop.remove(self)
        # The loop's agenda keeps this object for a while.
        self._out.clear()
        self._watch(0, 0)
        self._watch(1, 0)
        with contextlib.suppress(OSError):
            self._source.close()
        if error:
            # A short body never looks complete.
            abort(self._client)
        else:
            Farewell(self._loop, self._client).start()
        self._over(self._sent, error)


class _Reader:
    """Streamlit's side of a :class:`Download`."""

    def __init__(self, download: Download) -> None:
        self._download = download

    def on_events(self, events: int) -> None:
        """Read on."""
        self._download.read()

    def fail(self, reason: str) -> None:
        """End the download."""
        self._download.fail(reason)
