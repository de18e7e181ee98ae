"""Take a connection from a WSGI server that ends TLS itself.

The keys and counters of TLS are in the server's ``SSLSocket``, for good: OpenSSL keeps the
descriptor's number, and Python's C object keeps the socket object and its time-out. So the
connection stays where it is, and the server loses it instead: from then on, every attribute
of its object is that of a dead socket.
"""

from __future__ import annotations

import _socket  # the C type below ssl.SSLSocket, which gevent leaves alone
import contextlib
import functools
import socket
import ssl
import typing as t

#: What a TLS record holds at most (RFC 8446 5.1).
_RECORD_SIZE = 16384


class TlsSocket:
    """A TLS connection as a plain, non-blocking socket.

    It can't leave the process. The server finds its own object dead afterwards: reads give
    the end of the file, writes EPIPE, and closing it closes nothing else.

    :param sock: The server's object, whose handshake is done.
    :param grave: A dead socket, which the server has from now on.
    """

    def __init__(self, sock: ssl.SSLSocket, grave: socket.socket) -> None:
        # gevent's SSLSocket isn't a socket but has one.
        self._raw: _socket.socket = getattr(sock, "_sock", sock)
        self._tls: t.Any = sock._sslobj  # type: ignore[attr-defined] # typeshed leaves it out
        sock._grave = grave  # type: ignore[attr-defined]
        cls: t.Any = type(sock)
        sock.__class__ = _buried(cls)
        #: OpenSSL finds it through a weak reference, and closing it is up to us.
        self._server_object = sock
        self.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor's number, as a selector wants it; -1 when closed."""
        return _socket.socket.fileno(self._raw)

    def setblocking(self, flag: bool) -> None:
        """Take ``False`` only: OpenSSL would retry without end what the relay has to wait for."""
        if flag:
            raise ValueError("a TLS connection that was taken doesn't block")
        _socket.socket.setblocking(self._raw, False)

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Read what one record holds; 0 is the end.

        A buffer of 16 kB leaves nothing behind in OpenSSL, which no selector would see; after
        a smaller one, see :meth:`pending`.

        The end without ``close_notify`` is an end like any other: WebSockets have close
        frames to tell whether something was cut off.

        :raise BlockingIOError: There's nothing yet.
        """
        try:
            return int(self._tls.read(len(buffer), buffer))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return 0

    def pending(self) -> int:
        """Return how many bytes can be read whatever the selector says."""
        return int(self._tls.pending())

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Write as much as it takes, and return how much that was.

        After an answer of less than everything, the next call must begin with the bytes that
        weren't taken, and not offer fewer of them: OpenSSL has encrypted them already.

        :raise BlockingIOError: It takes nothing now.
        """
        sent = 0
        with memoryview(data) as view:
            # Record by record: of more at a time, OpenSSL doesn't say how much it has sent.
            while sent < len(view):
                try:
                    sent += self._tls.write(view[sent : sent + _RECORD_SIZE])
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if not sent:
                        raise BlockingIOError from None
                    break
        return sent

    def shutdown(self, how: int) -> None:
        """Close one direction, or both."""
        if how != socket.SHUT_RD:
            with contextlib.suppress(OSError):
                self._say_goodbye()
        _socket.socket.shutdown(self._raw, how)

    def _say_goodbye(self) -> None:
        """Send ``close_notify``, if that's possible without waiting."""
        # OpenSSL is made to look for the peer's own, too. Data in its place would break the
        # stream, and then they couldn't be read, and closing would reset the connection.
        try:
            waiting = _socket.socket.recv(self._raw, 1, socket.MSG_PEEK)
        except BlockingIOError:
            waiting = b""
        if not waiting:
            self._tls.shutdown()

    def close(self) -> None:
        """Close the connection.

        Without :meth:`shutdown` before, it's broken off: the peer gets no ``close_notify``, and
        so can't take for complete what isn't.
        """
        _socket.socket.close(self._raw)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option of the socket below."""
        _socket.socket.setsockopt(self._raw, level, option, value)

    def getsockopt(self, level: int, option: int) -> int:
        """Return an option of the socket below."""
        return _socket.socket.getsockopt(self._raw, level, option)


@functools.cache
def _buried(cls: type[ssl.SSLSocket]) -> type[ssl.SSLSocket]:
    """Return a class of the same layout whose objects are dead."""

    def getattribute(self: t.Any, name: str) -> t.Any:
        return getattr(object.__getattribute__(self, "_grave"), name)

    return type(cls.__name__, (cls,), {"__slots__": (), "__getattribute__": getattribute})
