"""Take the client's connection away from the WSGI server.

WSGI knows no WebSocket. But every server keeps the client's socket somewhere within reach
of the application. To take it, another process is given the open file (``SCM_RIGHTS``), or
a duplicate is kept, and the dead end of a socket pair is put in its place under the same
number. The server's bookkeeping then goes on as with a client that went away: writes fail
with EPIPE, reads give the end of the file. Closing the number instead would shut down the
shared connection from gunicorn 26 on.

Where the server ends TLS, it's much the same, but within this process: see :mod:`.tls`.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import ssl
import sys
import termios
import threading
import typing as t

from ..exceptions import BridgeError
from .tls import TlsSocket

if t.TYPE_CHECKING:
    from ..typing import WSGIEnvironment

#: Options of uWSGI with which workers end TLS themselves.
_UWSGI_TLS = ("https-socket", "https-socket-modifier1", "suwsgi-socket", "ssl-socket")


def find_socket(environ: WSGIEnvironment) -> socket.socket:
    """Return the client's socket; it's still the server's.

    :raise BridgeError: This server doesn't show it, or HTTP/2 runs on it, where many requests
        share it.
    """
    for key in ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket"):
        if key in environ:
            sock = environ[key]
            break
    else:
        sock = _uwsgi(environ) or _waitress(environ) or _buffered(environ)
    if sock is None:
        raise BridgeError("this WSGI server does not give its client's socket to applications")
    if environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2"):
        raise BridgeError("HTTP/2 ends in the WSGI server; let it speak HTTP/1.1")
    return t.cast(socket.socket, sock)


def can_leave(sock: socket.socket) -> bool:
    """Whether another process can be given the connection.

    If not, it can still be taken within this one: TLS ends here.
    """
    return not isinstance(sock, ssl.SSLSocket)


def _waitress(environ: WSGIEnvironment) -> object:
    return getattr(_waitress_channel(environ), "socket", None)


def _waitress_channel(environ: WSGIEnvironment) -> object:
    return getattr(environ.get("waitress.client_disconnected"), "__self__", None)


class _Borrowed(socket.socket):
    """A socket under the server's own number, which is the server's to close."""

    def __del__(self) -> None:
        self.detach()


def _uwsgi(environ: WSGIEnvironment) -> object:
    """Return uWSGI's connection.

    What it has read behind the request's head stays unseen: a client that doesn't wait for the
    101 loses its first frames.
    """
    if "uwsgi.version" not in environ:
        return None
    uwsgi = sys.modules["uwsgi"]
    if any(name in uwsgi.opt for name in _UWSGI_TLS):
        return None  # its TLS can be had neither here nor elsewhere
    return _Borrowed(fileno=uwsgi.connection_fd())


def _buffered(environ: WSGIEnvironment) -> object:
    """Return the socket below a buffered reader: cheroot's, pywsgi's and wsgiref's."""
    if "passenger.hijack" in environ:
        return None  # that one leads to Passenger, which passes one answer on, and no more
    stream = environ["wsgi.input"]
    # pywsgi's is the reader itself where the client wants to upgrade.
    raw = getattr(getattr(stream, "rfile", stream), "raw", None)
    return getattr(raw, "_sock", None)


def connection_scheme(environ: WSGIEnvironment) -> str:
    """Return the scheme of this connection, whatever its header fields say.

    gunicorn believes ``X-Forwarded-Proto`` of every peer on this machine by default, and so
    of every client behind a local proxy that lets the field through.
    """
    sock = environ.get("gunicorn.socket") or environ.get("gunicorn.sock")
    if sock is None:
        return str(environ.get("wsgi.url_scheme", "http"))
    return "https" if isinstance(sock, ssl.SSLSocket) else "http"


def server_mount(environ: WSGIEnvironment, *, believed: bool) -> str:
    """Return ``SCRIPT_NAME``, less what only a header field says.

    gunicorn takes it from a field of that name, too, if the peer is among its own
    ``forwarded_allow_ips``: everybody, where a platform has set that to ``*``.

    :param believed: Whether the peer may say where the application is mounted.
    """
    script_name = str(environ.get("SCRIPT_NAME", ""))
    claimed = environ.get("HTTP_SCRIPT_NAME")
    if not claimed or believed or not is_gunicorn(environ):
        return script_name
    if "," in claimed:
        claimed = script_name  # several fields, of which gunicorn took any
    # The rest is from a WSGI application around this one.
    return os.environ.get("SCRIPT_NAME", "") + script_name.removeprefix(claimed)


def is_gunicorn(environ: WSGIEnvironment) -> bool:
    """Whether gunicorn made this environ."""
    return "gunicorn.socket" in environ or "gunicorn.sock" in environ


def early_bytes(environ: WSGIEnvironment, sock: socket.socket) -> bytes:
    """Return what the server has read behind the request's head.

    A client may send frames before it has seen the 101; nothing of it may be lost.
    """
    early = _read_by_server(environ, sock)
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        # The rest of the record in which the head came.
        early += sock.recv(sock.pending())
    return early


def _read_by_server(environ: WSGIEnvironment, sock: socket.socket) -> bytes:
    parser = getattr(_waitress_channel(environ), "request", None)
    if parser is not None:  # waitress takes them for the beginning of another request
        return bytes(parser.header_plus)
    stream = environ["wsgi.input"]
    buffer = getattr(getattr(getattr(stream, "reader", None), "unreader", None), "buf", None)
    if buffer is not None:  # gunicorn 20 to 27
        data: bytes = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return data
    peek = getattr(stream, "peek", None) or getattr(getattr(stream, "rfile", None), "peek", None)
    if peek is None:
        return b""
    # A buffered reader over the socket (Werkzeug, cheroot): what is in the buffer has to be
    # had without waiting for more.
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        return bytes(peek())
    except (OSError, ValueError):
        return b""
    finally:
        sock.settimeout(timeout)


def bytes_at_hand(environ: WSGIEnvironment, sock: socket.socket) -> int:
    """Return how much of a request's body can be read without waiting for the client.

    Known for gunicorn without TLS only, where it's what :func:`early_bytes` would return, and
    what the kernel has.
    """
    waiting = array.array("i", [0])
    fcntl.ioctl(sock, termios.FIONREAD, waiting)
    unreader = environ["wsgi.input"].reader.unreader
    return waiting[0] + len(unreader.buf.getbuffer())


class _Tombstone:
    """One end of a socket pair whose other end is closed, made once per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._end: socket.socket | None = None

    def fileno(self) -> int:
        with self._lock:
            if self._end is None or self._pid != os.getpid():
                self._end, other = socket.socketpair()
                other.close()
                self._pid = os.getpid()
            return self._end.fileno()

    def copy(self) -> socket.socket:
        """Return another socket like it."""
        return socket.socket(fileno=os.dup(self.fileno()))


_tombstone = _Tombstone()


def bury(sock: socket.socket) -> None:
    """Leave the server a dead connection in place of one that was taken.

    Whoever took it has it open under another number, so it isn't one that :func:`can_leave`
    excludes.
    """
    os.dup2(_tombstone.fileno(), sock.fileno(), inheritable=False)


def take(sock: socket.socket) -> socket.socket | TlsSocket:
    """Take a connection within this process and return it."""
    if isinstance(sock, ssl.SSLSocket):
        return TlsSocket(sock, _tombstone.copy())
    return take_plain(sock)


def take_plain(sock: socket.socket) -> socket.socket:
    """Take a connection without TLS within this process and return it."""
    taken = sock.dup()
    bury(sock)
    return taken
