"""What gunicorn makes of a request, without gunicorn."""

from __future__ import annotations

import socket
import typing as t

from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import Response

from fluxsync.gateway.answering import make_config

if t.TYPE_CHECKING:
    from fluxsync.typing import WSGIEnvironment

#: Ends of a head that say where the body ends.
LENGTH = b"Content-Length: %d\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


class Server:
    """What gunicorn has of one request."""

    def __init__(self, sock: socket.socket) -> None:
        config = make_config()
        request = next(RequestParser(config, sock, ("", 0)))
        self.response = Response(request, sock, config)
        self.environ: WSGIEnvironment = {
            "gunicorn.socket": sock,
            "wsgi.input": request.body,
            "wsgi.input_terminated": True,
            "SERVER_NAME": "a",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REQUEST_METHOD": request.method,
            "RAW_URI": request.uri,
            **{f"HTTP_{k.replace('-', '_')}": v for k, v in request.headers},
        }
        self.environ["CONTENT_LENGTH"] = self.environ.pop("HTTP_CONTENT_LENGTH", "")

    @property
    def closes(self) -> bool:
        return bool(self.response.must_close)


class Client(t.NamedTuple):
    """A client's side of a connection, and the server's."""

    ours: socket.socket
    theirs: socket.socket

    def send(self, rest: bytes, path: bytes = b"/api/nothing") -> Server:
        """Send a request, and return what comes of it."""
        self.ours.sendall(b"POST %b HTTP/1.1\r\nHost: a\r\n%b" % (path, rest))
        return Server(self.theirs)
