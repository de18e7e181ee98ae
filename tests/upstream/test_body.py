from __future__ import annotations

import socket
import threading
import typing as t

import pytest

from fluxsync.exceptions import UpstreamProtocolError, UpstreamTimeout
from fluxsync.sansio.bodies import ChunkedBody, LengthBody, UnboundedBody
from fluxsync.sansio.http1 import parse_head
from fluxsync.upstream.body import UpstreamBody
from fluxsync.upstream.connections import Connection, Pool
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.sansio.bodies import Body

HEAD = parse_head(b"HTTP/1.1 200 OK")


class Upstream:
    """The other side of a connection, whose end here goes into a pool."""

    def __init__(self) -> None:
        ours, self.sock = socket.socketpair()
        self.connection = Connection(ours, 10.0)
        self.pool = Pool("127.0.0.1", 1, connect_timeout=1.0, read_timeout=1.0, maxsize=4)

    def body(self, body: Body, early: bytes = b"", *, keep: bool = True) -> UpstreamBody:
        return UpstreamBody(HEAD, body, early, self.connection, self.pool, keep=keep)

    def is_kept(self) -> bool:
        """Whether the connection waits for another request."""
        return self.connection.reused and self.connection.sock.fileno() != -1


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.sock.close()
    upstream.connection.close()


def test_pieces_come_as_they_arrive(upstream: Upstream) -> None:
    body = upstream.body(LengthBody(8), b"ab")

    assert next(body) == b"ab"
    for piece in (b"cde", b"fgh"):
        upstream.sock.sendall(piece)
        assert next(body) == piece
    assert list(body) == []
    assert upstream.is_kept()


def test_pieces_are_never_empty(upstream: Upstream) -> None:
    """An empty one would end a chunked response to the client."""
    decoder = ChunkedBody()
    body = upstream.body(decoder)
    upstream.sock.sendall(b"5\r\n")
    reader = threading.Thread(target=lambda: pieces.extend(body))
    pieces: list[bytes] = []
    reader.start()
    eventually(lambda: decoder.left == 5, what="the size of the chunk")
    upstream.sock.sendall(b"hello\r\n0\r\n\r\n")
    reader.join(10)

    assert pieces == [b"hello"]


def test_remaining(upstream: Upstream) -> None:
    body = upstream.body(LengthBody(8), b"ab")
    before = body.remaining
    next(body)

    assert (before, body.remaining) == (8, 6)
    assert upstream.body(ChunkedBody()).remaining is None


def test_is_complete(upstream: Upstream) -> None:
    body = upstream.body(ChunkedBody(), b"2\r\nok\r\n")

    assert not body.is_complete
    next(body)
    assert not body.is_complete
    upstream.sock.sendall(b"0\r\n\r\n")
    assert list(body) == []
    assert body.is_complete


def test_piece_that_is_put_back(upstream: Upstream) -> None:
    """It counts, it comes first, and it goes along when the rest is left to somebody."""
    body = upstream.body(LengthBody(4), b"ab")
    body.put_back(next(body).upper() * 2)
    assert (body.remaining, body.is_complete) == (6, False)
    assert next(body) == b"ABAB"
    upstream.sock.sendall(b"cd")
    body.put_back(next(body) + b"!")
    assert (body.remaining, body.is_complete) == (3, False)
    left = body.detach()

    assert (left.buffered, left.remaining) == (b"cd!", 0)


def test_pieces_that_are_put_back_one_by_one(upstream: Upstream) -> None:
    body = upstream.body(LengthBody(0))
    body.put_back(b"b")
    body.put_back(b"a")

    assert list(body) == [b"ab"]


@pytest.mark.parametrize(
    ("body", "early"),
    [
        pytest.param(LengthBody(0), b"", id="none"),
        pytest.param(LengthBody(2), b"ok", id="length"),
        pytest.param(ChunkedBody(), b"2\r\nok\r\n0\r\n\r\n", id="chunked"),
    ],
)
def test_body_that_came_with_the_head(upstream: Upstream, body: Body, early: bytes) -> None:
    assert b"".join(upstream.body(body, early).stream()) in (b"", b"ok")
    assert upstream.is_kept()


def test_body_until_the_end(upstream: Upstream) -> None:
    body = upstream.body(UnboundedBody(), keep=False)
    upstream.sock.sendall(b"abc")
    upstream.sock.close()

    assert list(body) == [b"abc"]
    assert not upstream.is_kept()


def test_server_that_sends_more_than_it_said(upstream: Upstream) -> None:
    body = upstream.body(LengthBody(2))
    upstream.sock.sendall(b"okHTTP/1.1 200 OK")

    assert list(body) == [b"ok"]
    assert not upstream.is_kept()


def test_connection_that_is_not_to_be_kept(upstream: Upstream) -> None:
    assert list(upstream.body(LengthBody(2), b"ok", keep=False)) == [b"ok"]
    assert not upstream.is_kept()


def test_body_that_is_not_read_takes_its_connection_with_it(upstream: Upstream) -> None:
    body = upstream.body(LengthBody(8), b"ab")
    next(body)

    body.close()
    body.close()

    assert not upstream.is_kept()
    with pytest.raises(UpstreamProtocolError):
        next(body)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        pytest.param(LengthBody(10), b"hello", id="length"),
        pytest.param(ChunkedBody(), b"5\r\nhello\r\n", id="chunked"),
        pytest.param(ChunkedBody(), b"9\r\nhello", id="within a chunk"),
        pytest.param(ChunkedBody(), b"5\r\nhello\r\nx\r\n", id="no size"),
    ],
)
def test_body_that_is_cut_off(upstream: Upstream, body: Body, data: bytes) -> None:
    """What came is given out; then it's an error, and never the end."""
    response = upstream.body(body)
    upstream.sock.sendall(data)
    upstream.sock.close()

    assert next(response) == b"hello"
    for _ in range(2):
        with pytest.raises(UpstreamProtocolError, match="broke off"):
            next(response)
    response.close()
    assert not upstream.is_kept()


def test_reset(upstream: Upstream) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    with listener, ours:
        connection = Connection(ours, 10.0)
        body = UpstreamBody(HEAD, LengthBody(5), b"", connection, upstream.pool, keep=True)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()

        with pytest.raises(UpstreamProtocolError, match="broke off"):
            next(body)


@pytest.mark.parametrize("method", ["__next__", "prefetch"])
def test_silence(upstream: Upstream, method: str) -> None:
    upstream.connection = Connection(upstream.connection.sock, 0.05)

    with pytest.raises(UpstreamTimeout, match=r"fell silent .*gateway_upstream_read_timeout_s"):
        getattr(upstream.body(LengthBody(1)), method)()


def test_prefetch(upstream: Upstream) -> None:
    """It's there, and not lost."""
    body = upstream.body(LengthBody(5))
    upstream.sock.sendall(b"abc")

    body.prefetch()
    body.prefetch()

    assert next(body) == b"abc"
    upstream.sock.sendall(b"de")
    assert list(body) == [b"de"]


def test_prefetch_of_nothing(upstream: Upstream) -> None:
    upstream.body(LengthBody(0)).prefetch()

    assert upstream.is_kept()


def test_prefetch_of_a_body_that_never_begins(upstream: Upstream) -> None:
    upstream.sock.close()

    with pytest.raises(UpstreamProtocolError, match="broke off 5 bytes before its end"):
        upstream.body(LengthBody(5)).prefetch()


@pytest.mark.parametrize(
    ("body", "early", "remaining"),
    [
        pytest.param(LengthBody(10), b"abc", 7, id="length"),
        pytest.param(LengthBody(3), b"abc", 0, id="all there"),
        pytest.param(UnboundedBody(), b"abc", None, id="until the end"),
    ],
)
def test_detach(upstream: Upstream, body: Body, early: bytes, remaining: int | None) -> None:
    response = upstream.body(body, early)

    sock, buffered, left = response.detach()
    response.close()

    assert (buffered, left) == (b"abc", remaining)
    assert not upstream.is_kept()
    upstream.sock.sendall(b"defghij")
    assert sock.recv(10) == b"defghij"


def test_detach_of_what_has_been_given_out(upstream: Upstream) -> None:
    body = upstream.body(LengthBody(10), b"abc")
    next(body)

    assert body.detach()[1:] == (b"", 7)


@pytest.mark.parametrize("body", [ChunkedBody(), LengthBody(0)], ids=["chunked", "finished"])
def test_detach_of_what_nobody_can_go_on_with(upstream: Upstream, body: Body) -> None:
    response = upstream.body(body)
    if body.complete:
        list(response)

    with pytest.raises(ValueError, match="chunked"):
        response.detach()
    response.close()
