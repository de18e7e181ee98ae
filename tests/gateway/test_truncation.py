from __future__ import annotations

import socket
import typing as t

import pytest

from fluxsync.bridges import sockets
from fluxsync.exceptions import UpstreamProtocolError
from fluxsync.gateway.truncation import ResettingBody, ends_with_connection

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.upstream.body import UpstreamBody


class Body:
    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b"abc"
        if not self.whole:
            raise UpstreamProtocolError("the response broke off")

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module", autouse=True)
def tombstone() -> None:
    """What is left in place of a connection is made once per process, and stays."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sockets.bury(ours)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=10)
        server, _ = listener.accept()
    with server, client:
        yield server, client


def resetting(body: Body, environ: dict[str, t.Any]) -> ResettingBody:
    return ResettingBody(t.cast("UpstreamBody", body), environ)


@pytest.mark.parametrize(
    ("environ", "ends"),
    [
        ({"SERVER_PROTOCOL": "HTTP/1.1"}, False),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, True),
        ({"SERVER_PROTOCOL": "HTTP/1.1", "uwsgi.version": b"2.0"}, True),
    ],
)
def test_whose_end_is_the_connections(environ: dict[str, t.Any], ends: bool) -> None:
    assert ends_with_connection(environ) is ends


def test_body_that_breaks_off(pair: tuple[socket.socket, socket.socket]) -> None:
    server, client = pair
    body = Body(whole=False)
    response = resetting(body, {"gunicorn.socket": server, "wsgi.input": None})

    with pytest.raises(UpstreamProtocolError):
        list(response)
    response.close()
    server.close()

    assert body.closed
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_whole_body(pair: tuple[socket.socket, socket.socket]) -> None:
    server, client = pair

    assert list(resetting(Body(whole=True), {"gunicorn.socket": server})) == [b"abc"]
    server.close()
    assert client.recv(1) == b""


def test_server_that_keeps_its_socket_to_itself() -> None:
    with pytest.raises(UpstreamProtocolError):
        list(resetting(Body(whole=False), {"wsgi.input": None}))


def test_body_that_was_never_begun() -> None:
    body = Body(whole=True)

    resetting(body, {}).close()

    assert body.closed
