"""Have gthread's threads get only connections whose request has come.

Each of them reads a request's head with calls that wait for the client, however long that
takes. As a rule, a head comes in one piece, and all there is to it is a look at what the kernel
has. The others wait in :mod:`.heads`, and gthread counts them as connections with a request.
"""

from __future__ import annotations

import contextlib
import socket
import typing as t

from .heads import LOOK, MAX_HEAD, REFUSALS, Verdict, Wait, is_complete

if t.TYPE_CHECKING:
    from .loop import Loop

#: How long, in seconds, a worker that stops waits for the rest of heads. gthread closes kept
#: connections then as late.
_LAST_CALL = 2.0


class Gate:
    """Stands before the queue for gthread's threads.

    :param worker: Of gunicorn 24 to 27, whose ``enqueue_req`` may be called in any thread.
    :param timeout: Seconds that a client may take to send a head.
    :param most: How many connections may wait; the oldest of more is closed.
    """

    def __init__(self, worker: t.Any, loop: Loop, timeout: float, most: int) -> None:
        self._worker = worker
        self._loop = loop
        self._timeout = timeout
        self._most = most
        self._enqueue: t.Callable[[t.Any], None] = worker.enqueue_req
        self._buffer = bytearray(MAX_HEAD)
        #: In the order in which they came.
        self._waiting: dict[_GateWait, None] = {}

    def enqueue(self, conn: t.Any) -> None:
        """Have a connection served as soon as its next request has come.

        gunicorn's main thread calls it for each request.
        """
        unreader = getattr(conn.parser, "unreader", None)
        before = b"" if unreader is None else unreader.buf.getvalue()
        if is_complete(before, len(before)) if before else self._has_come(conn.sock):
            self._enqueue(conn)
        else:
            self._loop.call(lambda: self._wait(conn, before))

    def _has_come(self, sock: socket.socket) -> bool:
        """Whether the kernel has a head, or the client's end."""
        try:
            count = sock.recv_into(self._buffer, 0, LOOK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not count or is_complete(self._buffer, count)

    # From here on: the loop's thread.

    def _wait(self, conn: t.Any, before: bytes) -> None:
        def over(verdict: Verdict) -> None:
            del self._waiting[wait]
            if verdict is not Verdict.COMPLETE:
                # gunicorn reads the end then, closes the connection and keeps its books.
                with contextlib.suppress(OSError):
                    if verdict in REFUSALS:
                        conn.sock.send(REFUSALS[verdict], socket.MSG_DONTWAIT)
                    conn.sock.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(RuntimeError):  # the pool is shut down: the worker ends
                self._enqueue(conn)

        if len(self._waiting) >= self._most:
            next(iter(self._waiting)).end(Verdict.SILENT)
        wait = _GateWait(self._loop, conn.sock, self._timeout, over, before)
        wait.worker = self._worker
        self._waiting[wait] = None
        wait.start()


class _GateWait(Wait):
    """The wait for a head in a worker that may stop meanwhile."""

    worker: t.Any

    def check(self, now: float) -> float | None:
        """End when it takes too long, or soon after the worker has begun to stop."""
        if not self.worker.alive:
            self.hurry(now + _LAST_CALL)
        again = super().check(now)
        return None if again is None else min(again, now + 1.0)
