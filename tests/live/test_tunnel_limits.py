"""How many tunnels, how much in them, how old and how silent; and a Streamlit that refuses."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from tests.conftest import StartGateway
from tests.support import frames, http, websocket
from tests.support.frames import Frame
from tests.support.gateways import Gateway
from tests.support.relays import is_readable
from tests.support.tunnel import MASK, Answer, Tunnel, assert_problem
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually
from tests.support.websocket import RawWebSocket

pytestmark = pytest.mark.live_server


@pytest.fixture(scope="module")
def limited(shared_upstream: FakeStreamlit) -> t.Iterator[Gateway]:
    """A gateway with small limits; its clients are told apart by a proxy."""
    env = {
        "FLUXSYNC_GATEWAY_TUNNEL_MAX_TUNNELS": "3",
        "FLUXSYNC_GATEWAY_TUNNEL_MAX_BYTES": "100000",
        "FLUXSYNC_GATEWAY_TUNNEL_WINDOW_BYTES": "200000",
        "FLUXSYNC_GATEWAY_WS_MAX_MESSAGE_BYTES": "300000",
        "FLUXSYNC_GATEWAY_WS_MAX_CONNECTIONS_PER_CLIENT": "2",
        "FLUXSYNC_TRUST_PROXY": "true",
    }
    with Gateway(upstream=shared_upstream, env=env) as gateway:
        yield gateway
        assert "Traceback" not in gateway.output


@pytest.fixture
def seen(shared_upstream: FakeStreamlit) -> FakeStreamlit:
    shared_upstream.reset()
    return shared_upstream


@contextlib.contextmanager
def page(server: Gateway, client: str = "192.0.2.1") -> t.Iterator[Tunnel]:
    """Open a tunnel of a client, as soon as there's room for it."""
    with Tunnel(server.port, headers=[("X-Forwarded-For", client)]) as tunnel:
        eventually(lambda: tunnel.open().status == 200, what="room for another tunnel")
        yield tunnel


@contextlib.contextmanager
def native(server: Gateway, fields: http.Headers) -> t.Iterator[RawWebSocket]:
    """Open a WebSocket, as soon as there's room for it."""

    def opened() -> RawWebSocket | None:
        with contextlib.suppress(AssertionError):
            return server.websocket(fields)
        return None

    with eventually(opened, what="room for another WebSocket") as socket:
        yield socket


def refused(server: Gateway, client: str = "192.0.2.9") -> str:
    """Return why a client gets no tunnel; the answer says when to come back."""
    with Tunnel(server.port, headers=[("X-Forwarded-For", client)]) as tunnel:
        response = tunnel.open()
        assert_problem(response, 503)
        assert response.get("Retry-After") == "10"
        return str(response.json()["detail"])


def test_most_tunnels(limited: Gateway, seen: FakeStreamlit) -> None:
    """Who is in isn't touched; WebSockets aren't counted; there's room again afterwards."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(page(limited, f"192.0.2.{n}")) for n in range(3)]
        assert "gateway_tunnel_max_tunnels" in refused(limited)
        with limited.websocket([("X-Forwarded-For", "192.0.2.7")]) as native:
            assert native.echo("hello") == "hello"
        for tunnel in opened:
            assert tunnel.echo("still there") == "still there"
    # Streamlit isn't left with what was refused.
    eventually(lambda: len(seen.websockets) == 5)
    assert all(socket.ended.wait(10) for socket in seen.websockets)
    with page(limited) as again:
        assert again.echo("again") == "again"


def test_most_tunnels_of_a_client(limited: Gateway) -> None:
    """Those and WebSockets together."""
    ada = [("X-Forwarded-For", "192.0.2.1")]
    with page(limited), native(limited, ada):
        detail = eventually(lambda: refused(limited, "192.0.2.1"))
        assert "gateway_ws_max_connections_per_client" in detail
        with page(limited, "192.0.2.2") as other, limited.connection() as connection:
            assert other.echo("hello") == "hello"
            assert websocket.handshake(connection, websocket.PATH, ada).status == 503


def test_most_bytes(limited: Gateway, seen: FakeStreamlit) -> None:
    """As long as pages don't fetch what is theirs, there are no further tunnels."""
    with page(limited) as slow:
        seen.wait_for_websocket().send(frames.binary(b"x" * 150_000))
        eventually(lambda: slow.exchange(limit=0).state.total > 150_000)
        assert "gateway_tunnel_max_bytes" in refused(limited)
        assert len(slow.receive().payload) == 150_000
        slow.exchange()
        with page(limited, "192.0.2.2") as other:
            assert other.echo("hello") == "hello"


@pytest.mark.parametrize("fragmented", [False, True])
def test_large_messages(limited: Gateway, seen: FakeStreamlit, fragmented: bool) -> None:
    """The page is told so, and Streamlit gets nothing of them, or not their end."""
    with page(limited) as good, page(limited) as bad:
        limit = frames.binary(b"x" * 300_000)
        good.mode = "short-poll"
        good.send(limit)
        assert good.receive() == limit
        sent = [frames.binary(b"x" * 300_001)]
        if fragmented:
            sent = [
                Frame(n // 4 * 0x80 | (0 if n else frames.BINARY), b"x" * 65536) for n in range(5)
            ]
        bad.push(b"".join(frame.encode(MASK) for frame in sent)[:260_000])
        with contextlib.suppress(AssertionError):  # gone, maybe
            bad.push(b"".join(frame.encode(MASK) for frame in sent)[260_000:])
        frame = bad.receive()
        while frame.opcode != frames.CLOSE:
            frame = bad.receive()
        assert frame.close_code == 1009
        bad.exchange()
        assert good.echo("hello") == "hello"
    assert seen.websockets[1].ended.wait(10)
    assert seen.websockets[1].close_code == 1009


def test_illegal_frames(limited: Gateway, seen: FakeStreamlit) -> None:
    """They end the tunnel as they'd end a WebSocket."""
    for illegal in (Frame(0xC1, b"reserved bit"), Frame(0x80, b"continuation of nothing")):
        seen.reset()
        with page(limited) as bad:
            bad.send(frames.text("before"))
            bad.send(illegal)
            assert bad.receive() == frames.text("before")
            assert bad.receive().close_code == 1002
            bad.exchange()
        upstream = seen.wait_for_websocket()
        assert upstream.ended.wait(10)
        assert [f.opcode for f in upstream.frames] == [frames.TEXT, frames.CLOSE]


def test_unmasked_frame(limited: Gateway) -> None:
    with page(limited) as bad:
        bad.push(frames.text("hello").encode())
        assert bad.receive().close_code == 1002
        bad.exchange()


def test_silence(gateway: StartGateway, upstream: FakeStreamlit) -> None:
    """Silent pages' tunnels end soon; a request that waits counts."""
    server = gateway(env={"FLUXSYNC_GATEWAY_TUNNEL_TIMEOUT_S": "0.5"})

    def spoken(page: Tunnel) -> bool:
        """Use a tunnel, unless it has ended: on a busy machine the page comes too late."""
        page.id, page.sent, page.received = "new", 0, 0
        page.forget()
        assert page.open().status == 200
        with contextlib.suppress(AssertionError):
            return page.echo("hello") == "hello"
        return False

    with Tunnel(server.port) as silent, Tunnel(server.port) as never, Tunnel(server.port) as alive:
        waiting = None
        while waiting is None:
            eventually(lambda: spoken(alive))
            waited = upstream.websockets[-1]
            waiting = alive.hold()
            eventually(lambda: spoken(silent))
            assert never.open().status == 200
            silent_ones = upstream.websockets[-2:]
            for websocket in silent_ones:
                assert websocket.ended.wait(10)
                assert websocket.close_code == 1001
            if is_readable(waiting.sock):
                # It's answered with 404 if the page came too late.
                with waiting:
                    assert waiting.read_response("POST").status == 404
                waiting = None
        with waiting:
            assert not waited.ended.is_set()
            for tunnel in (silent, never):
                assert tunnel.exchange().status == 404
            alive.send(frames.text("still there"))
            alive.take(Answer(waiting.read_response("POST")))
            assert alive.receive() == frames.text("still there")


def test_age(gateway: StartGateway, upstream: FakeStreamlit) -> None:
    """Those of others end some day, and their pages are told."""
    server = gateway(env={"FLUXSYNC_GATEWAY_TUNNEL_MAX_AGE_S": "0.5"})
    with Tunnel(server.port) as page:
        assert page.open().status == 200
        close = page.receive()
        assert (close.close_code, close.close_reason) == (1013, "gateway_tunnel_max_age_s")
    assert upstream.websockets[0].ended.wait(10)
    assert upstream.websockets[0].close_code == 1013


# A Streamlit that has no WebSocket for anybody


@pytest.mark.parametrize(
    ("status", "answered"), [(403, 403), (404, 404), (503, 503), (200, 502), (302, 502), (418, 502)]
)
def test_refusal_of_streamlit(
    limited: Gateway, seen: FakeStreamlit, status: int, answered: int
) -> None:
    seen.refusal = (status, b"<html>secret</html>")
    with Tunnel(limited.port) as tunnel:
        response = tunnel.open()
    seen.refusal = None

    assert_problem(response, answered)
    assert "secret" not in response.text
    assert str(status) in response.json()["detail"]
    assert "Set-Cookie" not in response


def test_streamlit_that_is_not_there(gateway: StartGateway, upstream: FakeStreamlit) -> None:
    """Not yet, and not any more."""
    upstream.health = 500
    server = gateway(ready=False)
    with Tunnel(server.port) as tunnel:
        early = tunnel.open()
        upstream.health = 200
        server.wait_ready()
        assert tunnel.open().status == 200
        assert tunnel.echo("hello") == "hello"
        upstream.stop()
        assert tunnel.receive().close_code == 1012
        tunnel.id = "new"
        late = tunnel.open()

    assert_problem(early, 503)
    assert early.get("Retry-After") == "1"
    assert late.status in (502, 503)  # it may have been noticed by now
    assert_problem(late, late.status)


def test_probe_that_nobody_acknowledges(limited: Gateway) -> None:
    """It ends by itself."""
    with Tunnel(limited.port).begin("probe?key=0123456789abcdef") as connection:
        answer = Answer(connection.read_response("POST"))
    assert len(answer.records.states) == 1
    assert answer.response.complete


def test_another_one_with_the_same_key(limited: Gateway) -> None:
    tunnel = Tunnel(limited.port)

    def states_of_the_second() -> int:
        with tunnel.begin("probe?key=0123456789abcdef") as first:
            first.read_head()
            with tunnel.begin("probe?key=0123456789abcdef") as second:
                assert None not in list(first.chunks())  # it ends properly
                assert tunnel.request("probe?key=0123456789abcdef&ack=1").status == 200
                return len(Answer(second.read_response("POST")).records.states)

    # A probe waits for a second only, which may pass by on a busy machine.
    eventually(lambda: states_of_the_second() == 2)


def test_old_http(limited: Gateway) -> None:
    """HTTP/1.0 has no chunks: a stream ends with its connection."""
    tunnel = Tunnel(limited.port)

    def answer() -> tuple[int, bytes]:
        with http.Connection(limited.port) as connection:
            lines = [f"{name}: {value}" for name, value in tunnel.fields(connection.host)]
            target = "/__fluxsync/tunnel/probe?key=0123456789abcdef"
            head = [
                *(f"POST {target} HTTP/1.0", f"Host: {connection.host}", "Content-Length: 0"),
                *lines,
            ]
            connection.send("\r\n".join([*head, "", ""]).encode())
            response = connection.read_head()
            body = connection.iter_body(response)
            first = next(body)
            assert tunnel.request("probe?key=0123456789abcdef&ack=1").status == 200
            whole = first + b"".join(body)
        assert "Transfer-Encoding" not in response
        return response.status, whole

    # A probe waits for a second only, which may pass by on a busy machine.
    eventually(lambda: answer() == (200, b"\0\0\0\x050 0 0" * 2))
