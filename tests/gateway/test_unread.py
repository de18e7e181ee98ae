"""With gunicorn's own parser and response; tests/live/test_protection.py has it in a worker."""

from __future__ import annotations

import socket
import typing as t

import pytest
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import Response

from fluxsync.gateway.answering import make_config
from fluxsync.gateway.unread import close_unread, has_body, limit_silence
from tests.support.inprocess import Site

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.typing import WSGIEnvironment

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


@pytest.fixture
def client() -> Iterator[Client]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Client(ours, theirs)


@pytest.mark.parametrize(
    ("sent", "read", "closes"),
    [
        pytest.param(LENGTH % 5 + b"abcde", 0, False, id="all has come"),
        pytest.param(LENGTH % 5 + b"abcde", 5, False, id="all is read"),
        pytest.param(LENGTH % 9 + b"abcde", 0, True, id="some is to come"),
        pytest.param(LENGTH % 2000 + b"x" * 1500, 3, True, id="some is read"),
        pytest.param(b"\r\n", 0, False, id="no body"),
        pytest.param(CHUNKED + b"5\r\nabcde\r\n0\r\n\r\n", 99, False, id="all chunks are read"),
        pytest.param(CHUNKED + b"5\r\nabcde\r\n", 0, True, id="chunks are to come"),
    ],
)
def test_what_is_to_come(client: Client, sent: bytes, read: int, closes: bool) -> None:
    server = client.send(sent)
    server.environ["wsgi.input"].read(read)

    close_unread(server.environ, server.response.start_response)
    assert server.closes is closes


@pytest.mark.parametrize("path", [b"/api/nothing", b"/__fluxsync/none", b"/echo"])
@pytest.mark.parametrize("rest", [LENGTH % 900_000, CHUNKED + b"fffff\r\n"])
def test_refusals(client: Client, path: bytes, rest: bytes) -> None:
    """Whoever refuses it."""
    server = client.send(rest + b"abc", path)
    with Site(allowed_hosts="example.org") as site:
        body = site.gateway(server.environ, server.response.start_response)
        list(body)
        t.cast("t.Any", body).close()

    assert server.closes
    assert ("Connection", "close") in [
        tuple(line.split(": ")) for line in map(str.strip, server.response.default_headers()[1:])
    ]


@pytest.mark.parametrize("rest", [LENGTH % 900_000, CHUNKED + b"fffff\r\n"])
def test_silence(client: Client, rest: bytes) -> None:
    server = client.send(rest + b"abc")

    limit_silence(server.environ, 0.01)
    with pytest.raises(OSError, match="unavailable"):
        server.environ["wsgi.input"].read()
    close_unread(server.environ, server.response.start_response)
    assert server.closes


def test_silence_of_a_request(client: Client) -> None:
    """The API's view has it as a client that has gone."""
    server = client.send(LENGTH % 900_000 + b"abc", b"/api/length")
    statuses = []
    server.response.start_response = lambda status, *rest: statuses.append(status)
    with Site(gateway_client_timeout_s=0.01) as site:
        body = site.gateway(server.environ, server.response.start_response)
        t.cast("t.Any", body).close()

    assert statuses == ["400 BAD REQUEST"]


def test_requests_without_a_body() -> None:
    assert not has_body({})
    assert not has_body({"CONTENT_LENGTH": ""})
    assert has_body({"CONTENT_LENGTH": "1"})
    assert has_body({"HTTP_TRANSFER_ENCODING": "chunked"})
    close_unread({}, lambda *args: None)  # type: ignore[arg-type] # another server's
