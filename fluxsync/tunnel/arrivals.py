"""Requests of pages that take their time to arrive. Belongs to the relay's thread.

A piece of a page's stream is up to 256 kB, which takes some lines many seconds. No thread of a
WSGI server waits for it: the connection is handed over with what has come.
"""

from __future__ import annotations

import typing as t

from ..bridges.polling import READ
from ..sansio import exchanges

if t.TYPE_CHECKING:
    from ..bridges.loop import Loop
    from .replies import Caller


class Arrival:
    """The rest of a request's body.

    :param data: What has come.
    :param left: How many bytes are still to come.
    :param timeout: How long, in seconds, nothing may come; 0 is no limit.
    :param then: Called with the whole body.
    """

    def __init__(
        self,
        loop: Loop,
        caller: Caller,
        data: bytes,
        left: int,
        timeout: float,
        then: t.Callable[[bytes], None],
    ) -> None:
        self._loop = loop
        self._caller = caller
        self._data = bytearray(data)
        self._left = left
        self._timeout = timeout
        self._then = then
        self._moved_at = loop.now

    def start(self) -> None:
        """Begin."""
        self._caller.sock.setblocking(False)
        self._loop.watch(self._caller.sock, 0, READ, self)
        self._loop.add(self)

    def on_events(self, events: int) -> None:
        """Read on."""
        try:
            size = self._caller.sock.recv_into(self._loop.buffer[: self._left])
        except BlockingIOError:
            return
        except OSError as e:
            self.fail(f"client: {e.strerror or e}")
            return
        if not size:
            self.fail(f"client: {self._left} bytes are missing")
            return
        self._data += self._loop.buffer[:size]
        self._left -= size
        self._moved_at = self._loop.now
        if not self._left:
            self._leave()
            self._then(bytes(self._data))

    def check(self, now: float) -> float | None:
        """Give up a client that has gone silent."""
        if not self._timeout:
            return None
        if now >= self._moved_at + self._timeout:
            self._leave()
            self._caller.answer(self._loop, exchanges.problem(408, "the body did not come in time"))
            return None
        return self._moved_at + self._timeout

    def fail(self, reason: str) -> None:
        """Break off."""
        if self in self._loop.tasks:
            self._leave()
            self._caller.sock.close()
            self._caller.over(400, 0, reason)

    def _leave(self) -> None:
        self._loop.remove(self)
        self._loop.watch(self._caller.sock, READ, 0, self)
