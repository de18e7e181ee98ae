"""Have gunicorn accept only connections whose request has come.

A sync worker reads a request's head with calls that wait for the client, however long that
takes. So it's given connections whose head is complete. As a rule, a head comes in one piece,
and all there is to it is a look at what the kernel has. The others wait in :mod:`.heads`.

gthread of gunicorn 24 and later has a :class:`~.gate.Gate` instead, in which the requests that
follow on a connection wait, too.
"""

from __future__ import annotations

import collections
import errno
import os
import select
import socket
import threading
import typing as t

from .farewells import Farewell
from .heads import LOOK, MAX_HEAD, REFUSALS, Verdict, Wait, is_complete

if t.TYPE_CHECKING:
    from .loop import Loop


class Vestibule:
    """Stands in for one of gunicorn's listeners; its connections come with a head.

    The public methods are gunicorn's to call, in its main thread.

    :param listener: Listens for TCP connections, without TLS.
    :param loop: Whose thread waits.
    :param timeout: Seconds that a client may take to send its head.
    :param most: How many connections may wait; the oldest of more is closed.
    """

    def __init__(self, listener: t.Any, loop: Loop, timeout: float, most: int) -> None:
        self._listener = listener
        self._loop = loop
        self._timeout = timeout
        self._most = most
        self._buffer = bytearray(MAX_HEAD)
        self._lock = threading.Lock()
        self._ready: collections.deque[tuple[socket.socket, t.Any]] = collections.deque()
        #: Counts what's ready.
        self._count = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        for number in (listener.fileno(), self._count):
            self._epoll.register(number, select.EPOLLIN)
        self._inside = 0
        self._is_locked = False
        #: In the order in which they came.
        self._waiting: dict[Wait, None] = {}

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._listener, name)

    def fileno(self) -> int:
        """Return a descriptor that can be read when there's something to accept."""
        return self._epoll.fileno()

    def accept(self) -> tuple[socket.socket, t.Any]:
        """Return a connection whose head has come, and its client's address.

        :raise BlockingIOError: There's none.
        """
        if self._ready:
            with self._lock:
                os.eventfd_read(self._count)
                self._inside -= 1
                return self._ready.popleft()
        if self._is_locked:
            raise BlockingIOError(errno.EAGAIN, "no new connections")
        sock, address = self._listener.accept()
        try:
            count = sock.recv_into(self._buffer, 0, LOOK)
        except BlockingIOError:
            count = -1
        except OSError:
            count = 0
        if count > 0 and is_complete(self._buffer, count):
            return sock, address
        if count:
            with self._lock:
                self._inside += 1
            self._loop.call(lambda: self._take_in(sock, address))
        else:
            sock.close()
        raise BlockingIOError(errno.EAGAIN, "no complete request")

    def lock_up(self) -> None:
        """Accept only those from now on that are inside."""
        self._is_locked = True
        self._epoll.unregister(self._listener.fileno())

    @property
    def is_empty(self) -> bool:
        """Whether nobody is inside."""
        return not self._inside

    def close(self) -> None:
        """Close the listener, and what is ready too late."""
        self._epoll.close()
        self._listener.close()
        with self._lock:
            os.close(self._count)
            self._count = -1
            while self._ready:
                self._ready.popleft()[0].close()

    # From here on: the loop's thread.

    def _take_in(self, sock: socket.socket, address: t.Any) -> None:
        def over(verdict: Verdict) -> None:
            del self._waiting[wait]
            if verdict is Verdict.COMPLETE:
                self._let_in(sock, address)
                return
            with self._lock:
                self._inside -= 1
            if verdict in REFUSALS:
                Farewell(self._loop, sock, REFUSALS[verdict]).start()
            else:
                sock.close()

        if len(self._waiting) >= self._most:
            next(iter(self._waiting)).end(Verdict.SILENT)
        wait = Wait(self._loop, sock, self._timeout, over)
        self._waiting[wait] = None
        wait.start()

    def _let_in(self, sock: socket.socket, address: t.Any) -> None:
        with self._lock:
            if self._count < 0:  # closed
                sock.close()
                return
            self._ready.append((sock, address))
            os.eventfd_write(self._count, 1)
