"""Wait for the heads of requests, and for small bodies, without reading them.

What has come stays in the kernel, for the server to read. One thread watches all connections.
"""

from __future__ import annotations

import enum
import re
import select
import socket
import typing as t

from ..sansio import relayed
from .polling import READ

if t.TYPE_CHECKING:
    from .loop import Loop

#: Longest head that is waited for; nginx takes 32 kB, gunicorn 800. A body is waited for if it
#: fits in as well: the kernel keeps so much on any connection.
MAX_HEAD = 64 * 1024
#: RFC 9112 2.2: a recipient may take a single LF for the end of a line.
_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r?\n", re.IGNORECASE)
#: RFC 9110 10.1.1: the body comes only when the server has said 100.
_EXPECT = re.compile(rb"\nexpect:", re.IGNORECASE)
#: Flags of a look at what has come.
LOOK = socket.MSG_PEEK | socket.MSG_DONTWAIT
#: Only what's new must wake us up, as nobody takes it away.
_NEWS = READ | select.EPOLLET | select.EPOLLRDHUP


class Verdict(enum.Enum):
    """How the wait has ended."""

    COMPLETE = enum.auto()
    TOO_LONG = enum.auto()
    #: Out of time, with a part of the request.
    LATE = enum.auto()
    #: Out of time, without a word.
    SILENT = enum.auto()
    #: The client has closed its direction, or the connection is broken.
    GONE = enum.auto()


#: What clients get that have sent something, but not in time, or too much.
REFUSALS = {
    Verdict.LATE: relayed.error_response(
        408, "Request Timeout", "the request did not come in time"
    ),
    Verdict.TOO_LONG: relayed.error_response(
        431, "Request Header Fields Too Large", "the request's head is too long"
    ),
}


class Wait:
    """The wait for the head on one connection. Belongs to the loop's thread.

    :param before: What the server has read of it already.
    :param over: Called at the end; the socket is its caller's again.
    :param timeout: Seconds that it may take.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        timeout: float,
        over: t.Callable[[Verdict], None],
        before: bytes = b"",
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._deadline = loop.now + timeout
        self._over = over
        self._before = before
        self._head = before

    def start(self) -> None:
        """Begin. What has come until now is an event, too."""
        self._loop.add(self)
        self._loop.watch(self._sock, 0, _NEWS, self)

    def on_events(self, events: int) -> None:
        """Look at what has come."""
        try:
            came = self._sock.recv(MAX_HEAD, LOOK)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        self._head = head = self._before + came
        if is_complete(head, len(head)):
            self.end(Verdict.COMPLETE)
        elif len(head) >= MAX_HEAD:
            self.end(Verdict.TOO_LONG)
        elif not came or events & ~READ:
            self.end(Verdict.GONE)

    def check(self, now: float) -> float | None:
        """End when it takes too long."""
        if now < self._deadline:
            return self._deadline
        self.end(Verdict.LATE if self._head else Verdict.SILENT)
        return None

    def hurry(self, deadline: float) -> None:
        """Wait no longer than until a time."""
        self._deadline = min(self._deadline, deadline)

    def fail(self, reason: str) -> None:
        """End now."""
        self.end(Verdict.GONE)

    def end(self, verdict: Verdict) -> None:
        """End, unless it has."""
        if self in self._loop.tasks:
            self._loop.remove(self)
            self._loop.watch(self._sock, _NEWS, 0, self)
            self._over(verdict)


def is_complete(data: bytes | bytearray, count: int) -> bool:
    """Return whether a request can be served without waiting for its client.

    That's when its head has ended, with an empty line, and its body has come too. A body that
    is large, or whose length isn't known, can't be waited for here.
    """
    end = _END.search(data, 0, count)
    if end is None:
        return False
    length = _LENGTH.search(data, 0, end.end())
    if length is None or _EXPECT.search(data, 0, end.end()):
        return True
    whole = end.end() + int(length[1])
    return count >= whole or whole > MAX_HEAD
