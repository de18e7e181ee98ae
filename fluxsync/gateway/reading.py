"""Read the rest of a request's body from a client that may be slow, silent, or gone.

gunicorn waits for it for ever: sync and gthread in a thread, gevent with a place among the requests
that are answered at once. What the parser makes of a body that breaks off or is malformed would
look like a mistake of whoever reads it.
"""

from __future__ import annotations

import errno
import time
import typing as t

from werkzeug.exceptions import ClientDisconnected

from ..sansio.pacing import Pace
from .errors import Failure

if t.TYPE_CHECKING:
    import socket

    from ..config import FluxSyncSettings
    from ..typing import WSGIEnvironment


_TOO_SLOW = (
    "the request's body did not come in time "
    "(gateway_client_timeout_s, gateway_client_min_bytes_per_s)"
)


class BodyLost(ClientDisconnected, OSError):
    """The rest of a request's body doesn't come, or can't be read.

    Flask and its kind answer it with its status, others know an OSError, and servers take it for
    that of a client that has gone, which they don't log.

    :param failure: What the client is to be told.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.code = failure.status
        self.errno = errno.ECONNRESET


def broken_off() -> Failure:
    """Return the answer to a body of which a part is missing."""
    return Failure(400, "the request's body broke off")


def make_pace(settings: FluxSyncSettings) -> Pace | None:
    """Return how long the client of one body may keep a reader waiting; ``None`` is for ever."""
    if not settings.gateway_client_timeout_s:
        return None
    return Pace(settings.gateway_client_timeout_s, settings.gateway_client_min_bytes_per_s)


class ClientInput:
    """A request's ``wsgi.input``, whose errors are the client's mistakes.

    :param pace: How long the client may take, as far as that's up to us: in gunicorn.
    """

    def __init__(self, environ: WSGIEnvironment, pace: Pace | None) -> None:
        self._stream = environ["wsgi.input"]
        #: What is below, where :func:`~fluxsync.bridges.sockets.find_socket` looks for the socket.
        self.rfile = getattr(self._stream, "rfile", self._stream)
        self._unreader = _find_unreader(self._stream) if pace is not None else None
        self._pace = pace
        self._lost: BodyLost | None = None

    def read(self, size: int) -> bytes:
        """Return so many bytes; fewer at the end.

        :raise BodyLost: They don't come.
        """
        return self._take(self._stream.read, size)

    def readline(self, size: int) -> bytes:
        """Return a line, or so many bytes of one.

        :raise BodyLost: It doesn't come.
        """
        return self._take(self._stream.readline, size)

    def _take(self, read: t.Callable[[int], bytes], size: int) -> bytes:
        if self._lost is not None:
            # To the server, a body that can't be read any more may look like one that is over.
            raise self._lost
        try:
            if self._unreader is None or self._pace is None:
                return read(size)
            sock = self._unreader.sock
            self._unreader.sock = _PacedSocket(sock, self._pace)
            try:
                return read(size)
            finally:
                # The rest of the connection is the server's.
                self._unreader.sock = sock
        except TimeoutError as e:
            self._lost = BodyLost(Failure(408, _TOO_SLOW))
            raise self._lost from e
        except Exception as e:
            # Each server has its own exceptions for a client that went away, or that errs.
            is_gone = isinstance(e, (OSError, EOFError))
            malformed = Failure(400, "the request's body is malformed")
            self._lost = BodyLost(broken_off() if is_gone else malformed)
            raise self._lost from e


class _PacedSocket:
    """A client's socket, as gunicorn reads a body from it, for a client that has to keep pace."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._sock = sock
        self._pace = pace

    def recv(self, size: int) -> bytes:
        """Return what comes next.

        :raise TimeoutError: Nothing does, or too little has come for too long.
        """
        sock, pace = self._sock, self._pace
        if pace.left <= 0:
            raise TimeoutError
        former = sock.gettimeout()
        began = time.monotonic()
        sock.settimeout(pace.left)
        try:
            data = sock.recv(size)
        finally:
            sock.settimeout(former)
        pace.came(len(data), time.monotonic() - began)
        return data


def _find_unreader(stream: t.Any) -> t.Any:
    """Return what gunicorn reads a connection with, from 20 to 27, or ``None``."""
    reader = getattr(stream, "reader", None)
    # Of a body with a length, and of one in chunks.
    unreader = getattr(reader, "unreader", None) or getattr(
        getattr(reader, "req", None), "unreader", None
    )
    return unreader if hasattr(unreader, "sock") else None
