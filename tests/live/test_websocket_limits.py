"""How many WebSockets, how large, how silent; each limit costs one connection and no other."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from tests.support import frames, websocket
from tests.support.frames import Frame
from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live_server

#: Where the limits are kept: by the supervisor's relay, and by one in the worker.
RELAYS = ("supervisor", "worker")


@pytest.fixture(params=RELAYS)
def start(
    request: pytest.FixtureRequest, gateway: Callable[..., Gateway]
) -> Callable[..., Gateway]:
    """Start a gateway with settings of the relay."""

    def start(
        worker_class: str = "gthread", args: t.Iterable[str] = (), **settings: object
    ) -> Gateway:
        names = {f"FLUXSYNC_GATEWAY_{name.upper()}": str(v) for name, v in settings.items()}
        env = {"FLUXSYNC_GATEWAY_WS_RELAY": request.param, **names}
        return gateway(worker_class, env=env, args=args)

    return start


def refused(server: Gateway, *headers: tuple[str, str]) -> str | None:
    """Try to open a WebSocket; return the 503's text, or ``None`` if it was opened."""
    with server.connection() as connection:
        answer = websocket.handshake(connection, server.target(websocket.PATH), headers)
        if answer.status == 101:
            return None
        assert (answer.status, answer.get("Retry-After")) == (503, "10")
        return b"".join(connection.iter_body(answer)).decode()


def asks_nobody(server: Gateway, upstream: FakeStreamlit) -> bool:
    """Return whether a WebSocket is refused without asking Streamlit."""
    asked = len(upstream.requests)
    return refused(server) is not None and len(upstream.requests) == asked


def test_most_connections(start: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    server = start(ws_max_connections=2)
    with server.websocket(), server.websocket() as second:
        text = eventually(lambda: refused(server), 10)
        assert "gateway_ws_max_connections" in text
        # Whoever is in isn't touched, and soon nobody asks Streamlit for what can't be.
        assert second.echo("hello") == "hello"
        eventually(lambda: asks_nobody(server, upstream), 10)
        assert server.get("/healthz").status == 200

    eventually(lambda: refused(server) is None, 10)


def test_most_connections_of_a_client(start: Callable[..., Gateway]) -> None:
    server = start(ws_max_connections_per_client=1)
    with server.websocket():
        text = eventually(lambda: refused(server), 10)
        assert "gateway_ws_max_connections_per_client" in text

    eventually(lambda: refused(server) is None, 10)


def test_clients_behind_a_proxy(gateway: Callable[..., Gateway]) -> None:
    """They're told apart where the proxy is trusted."""
    env = {
        "FLUXSYNC_GATEWAY_WS_MAX_CONNECTIONS_PER_CLIENT": "1",
        "FLUXSYNC_TRUST_PROXY": "true",
    }
    server = gateway(env=env)
    ada, grace = ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")
    with server.websocket([ada]):
        eventually(lambda: refused(server, ada), 10)
        assert refused(server, grace) is None


@pytest.mark.parametrize(
    ("setting", "sent"),
    [
        pytest.param(
            "ws_max_message_bytes",
            [Frame(frames.TEXT, b"x" * 60), Frame(frames.CONTINUATION, b"x" * 60)],
            id="message",
        ),
        pytest.param("ws_max_frame_bytes", [frames.text("x" * 101)], id="frame"),
    ],
)
def test_too_large(start: Callable[..., Gateway], setting: str, sent: list[Frame]) -> None:
    server = start(**{setting: 100})
    with server.websocket() as other, server.websocket() as large:
        for frame in sent:
            large.send(frame)
        answers = list(iter(large.receive, None))
        assert (answers[-1].opcode, answers[-1].close_code) == (frames.CLOSE, 1009)
        assert other.echo("x" * 100) == "x" * 100


@pytest.mark.parametrize(
    "illegal",
    [
        pytest.param(Frame(0xC1, b"reserved bit"), id="reserved bit"),
        pytest.param(Frame(0x83, b"opcode"), id="reserved opcode"),
        pytest.param(Frame(0x89, b"x" * 126), id="long ping"),
        pytest.param(Frame(0x09, b"x"), id="fragmented ping"),
        pytest.param(Frame(0x80, b"x"), id="continuation of nothing"),
    ],
)
def test_illegal_frames(live: Gateway, seen: FakeStreamlit, illegal: Frame) -> None:
    """What came before is answered; what is illegal doesn't reach Streamlit."""
    with live.websocket() as other, live.websocket() as bad:
        bad.send(frames.text("before"))
        bad.send(illegal)
        echoed, closed = bad.receive(), bad.receive()
        assert echoed is not None
        assert echoed.payload == b"before"
        assert closed is not None
        assert (closed.opcode, closed.close_code) == (frames.CLOSE, 1002)
        assert other.echo("hello") == "hello"

    upstream = seen.websockets[1]
    assert upstream.ended.wait(10)
    assert [frame.opcode for frame in upstream.frames] == [frames.TEXT, frames.CLOSE]


def test_unmasked_frame(live: Gateway, seen: FakeStreamlit) -> None:
    with live.websocket() as bad:
        bad.connection.send(frames.text("hello").encode())
        closed = bad.receive()
        assert closed is not None
        assert (closed.opcode, closed.close_code) == (frames.CLOSE, 1002)


def test_ping_after_silence(start: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    """An answer keeps it open; without one, it ends."""
    server = start(ws_ping_interval_s=0.2, ws_ping_timeout_s=0.5)
    ping, pong = (Frame(0x80 | opcode, b"") for opcode in (frames.PING, frames.PONG))

    def stays_open() -> bool:
        """Answer three pings, and return whether there's an echo; not if we come too late."""
        with server.websocket() as client, contextlib.suppress(ConnectionError):
            for _ in range(3):
                if (frame := client.receive()) is None:
                    return False
                assert frame == ping
                client.send(pong)
            client.send(frames.text("hello"))
            while (frame := client.receive()) == ping:
                client.send(pong)
            return frame == frames.text("hello")
        return False

    eventually(stays_open)
    with server.websocket() as client:
        assert {*iter(client.receive, None)} == {ping}
    server.wait_for_line("does not answer a ping")


def test_idle(start: Callable[..., Gateway]) -> None:
    server = start(ws_idle_timeout_s=0.5, ws_ping_interval_s=0)

    def received() -> list[Frame | None]:
        with server.websocket() as client:
            client.send(frames.text("hello"))
            return [client.receive(), client.receive()]

    # There's no echo if we're late.
    eventually(lambda: received() == [frames.text("hello"), frames.close(1001, "idle")])


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_goodbye(start: Callable[..., Gateway], kind: str) -> None:
    """Whoever relays it, a browser hears that the server goes."""
    server = start(kind, args=("--graceful-timeout", "10"))
    with server.websocket() as client:
        assert client.echo("hello") == "hello"
        server.popen.terminate()
        closed = client.receive()
        assert closed is not None
        assert (closed.opcode, closed.close_code) == (frames.CLOSE, 1001)


def test_few_open_files(gateway: Callable[..., Gateway]) -> None:
    """The limit of open files is said in advance, and passed when others go."""
    server = gateway(args=("--config", "python:tests.live.few_files"))
    with contextlib.ExitStack() as stack:
        statuses = [101]
        while statuses[-1] == 101:
            connection = stack.enter_context(server.connection())
            statuses.append(websocket.handshake(connection).status)
        assert (statuses[-1], len(statuses) > 50) == (503, True)
        assert "gateway_ws_max_connections" in (refused(server) or "")
        assert server.get("/").status == 200

    eventually(lambda: refused(server) is None, 10)
