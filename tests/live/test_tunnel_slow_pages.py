"""Pages on slow lines: their pieces and answers keep no worker from others, not the only one."""

from __future__ import annotations

import socket
import typing as t

import pytest

from tests.support import frames, http
from tests.support.gateways import Gateway
from tests.support.tunnel import MASK, Answer, Tunnel, assert_problem
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server


@pytest.fixture(scope="module", params=["sync", "gthread", "gevent"])
def server(request: pytest.FixtureRequest, shared_upstream: FakeStreamlit) -> t.Iterator[Gateway]:
    """One worker, and one thread."""
    threads = ("--threads", "1") if request.param == "gthread" else ()
    args = ("--workers", "1", *threads)
    with Gateway(request.param, upstream=shared_upstream, args=args) as gateway:
        yield gateway


@pytest.fixture
def page(server: Gateway) -> t.Iterator[Tunnel]:
    with Tunnel(server.port) as page:
        assert page.open(transport="short-poll").status == 200
        yield page


def send_head(page: Tunnel, connection: http.Connection, target: str, size: int) -> None:
    fields = [*page.fields(connection.host), ("Content-Length", str(size))]
    connection.send_request("POST", f"/__fluxsync/tunnel/{target}", fields)


def test_piece_that_comes_slowly(server: Gateway, page: Tunnel) -> None:
    data = frames.binary(b"x" * 200_000).encode(MASK)
    with page.connection() as connection:
        send_head(page, connection, page.query(limit=0), len(data))
        for start in range(0, len(data), 50_000):
            assert server.get("/healthz").status == 200
            connection.send(data[start : start + 50_000])
        answer = Answer(connection.read_response("POST"))
    page.take(answer)

    assert page.sent == len(data)
    assert page.receive().payload == b"x" * 200_000


def test_piece_of_an_unknown_tunnel_that_comes_slowly(server: Gateway, page: Tunnel) -> None:
    with Tunnel(server.port) as other, page.connection() as connection:
        other.id = "0" * 32
        send_head(other, connection, other.query(limit=0), 10)
        assert server.get("/healthz").status == 200
        connection.send(b"0123456789")
        assert_problem(connection.read_response("POST"), 404)


def test_piece_that_ends_early(server: Gateway, page: Tunnel) -> None:
    """Nothing of it counts; the page sends it again."""
    with page.connection() as connection:
        send_head(page, connection, page.query(limit=0), 100)
        connection.send(b"x" * 50)
    assert page.exchange(limit=0).state.received == 0

    assert page.echo("again") == "again"


def test_answer_that_is_taken_slowly(server: Gateway, page: Tunnel) -> None:
    page.send(frames.text("push 1 900000"))
    eventually(lambda: page.exchange(limit=0).state.total > 900_000, what="a full tunnel")
    with page.connection() as connection:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        send_head(page, connection, page.query(mode="short-poll"), 0)
        assert server.get("/healthz").status == 200
        answer = Answer(connection.read_response("POST"))
    page.take(answer)

    assert len(answer.data) == 256 * 1024
    assert len(page.receive().payload) == 900_000
