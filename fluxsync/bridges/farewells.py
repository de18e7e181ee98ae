"""The orderly end of a client's connection: its last bytes, and time to take them.

RFC 9112 9.6: who closes while something unread has arrived makes its own last bytes be thrown
away by the kernel of the other side. So the writing side is closed first, and what still comes
is read and forgotten for a while.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import typing as t

from .polling import READ, WRITE

if t.TYPE_CHECKING:
    from .loop import Loop
    from .polling import Connection

#: How long, in seconds, a client may be silent before it closes its side. gunicorn gives it as
#: much.
LINGER = 2.0
#: How long it may go on sending. It's in the middle of an upload that was refused, maybe.
MAX_LINGER = 30.0
#: How long it may take nothing of its last bytes.
_STALL = 10.0


class Farewell:
    """Sends a client its last bytes and closes. Belongs to the loop's thread."""

    def __init__(self, loop: Loop, client: Connection, last: bytes = b"") -> None:
        self._loop = loop
        self._client = client
        self._last = memoryview(last)
        self._events = 0
        self._deadline = loop.now + (_STALL if last else LINGER)
        self._end = loop.now + MAX_LINGER

    @property
    def is_sent(self) -> bool:
        """Whether the client's side of the network has it all."""
        return not self._last

    def start(self) -> None:
        """Begin."""
        self._client.setblocking(False)
        self._loop.add(self)
        self.on_events(WRITE)

    def on_events(self, events: int) -> None:
        """Write or read on."""
        try:
            if events & WRITE:
                self._write()
            if events & ~WRITE:
                if not self._client.recv_into(self._loop.buffer):
                    self.fail("")
                    return
                if not self._last:
                    # The entry in the agenda comes first, and then it's looked at again.
                    self._deadline = min(self._loop.now + LINGER, self._end)
        except BlockingIOError:
            pass
        except OSError:
            self.fail("")
            return
        self._watch((WRITE if self._last else 0) | READ)

    def _write(self) -> None:
        while self._last:
            self._last = self._last[self._client.send(self._last) :]
            self._deadline = self._loop.now + _STALL
        # An empty part of a large answer keeps all of it, as long as the agenda keeps this.
        self._last = memoryview(b"")
        self._client.shutdown(socket.SHUT_WR)
        self._deadline = self._loop.now + LINGER
        self._loop.look(self)

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._loop.watch(self._client, self._events, events, self)
            self._events = events

    def check(self, now: float) -> float | None:
        """Close when it takes too long."""
        if now >= self._deadline:
            self.fail("")
            return None
        return self._deadline

    def fail(self, reason: str) -> None:
        """Close now."""
        if self in self._loop.tasks:
            self._loop.remove(self)
            self._watch(0)
            self._client.close()
            self._last = memoryview(b"")


def abort(client: socket.socket) -> None:
    """Close a connection so that its client sees that something is missing."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
