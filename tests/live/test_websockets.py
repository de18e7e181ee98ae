"""WebSockets through the gateway: exact, free of threads, and closed to smugglers."""

from __future__ import annotations

import contextlib
import signal
import typing as t

import pytest

from tests.support import frames, http
from tests.support import websocket as websockets
from tests.support.frames import Frame
from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live_server

MB = 1024 * 1024


def test_echo(live: Gateway) -> None:
    with websockets.connect(live.port, live.target(websockets.PATH)) as client:
        assert client.getsubprotocol() == "streamlit"
        client.send("hello")
        assert client.recv() == "hello"
        client.send_binary(b"\0\1\2")
        assert client.recv() == b"\0\1\2"


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 2 * MB, 100 * MB])
def test_messages_of_all_sizes(live: Gateway, size: int) -> None:
    if size > 2 * MB and live.worker_class != "gthread":
        pytest.skip("the relay is the same one; once is enough")
    message = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    with live.websocket() as websocket:
        websocket.send(frames.binary(message))
        answer = websocket.receive()

    assert answer is not None
    assert answer.payload == message


def test_frames_are_untouched(live: Gateway, seen: FakeStreamlit) -> None:
    """Fragments stay fragments, pings and pongs pass with their payload."""
    sent = [
        Frame(frames.TEXT, b"one "),
        Frame(0x80 | frames.PING, b"in between"),
        Frame(frames.CONTINUATION, b"two "),
        Frame(0x80 | frames.CONTINUATION, b"three"),
    ]
    with live.websocket() as websocket:
        for frame in sent:
            websocket.send(frame)
        received = [websocket.receive() for _ in sent]

    upstream = seen.websockets[0].frames
    assert [(f.first, f.payload) for f in upstream] == [(f.first, f.payload) for f in sent]
    assert all(frame.masked for frame in upstream)
    assert received == [*sent[:1], Frame(0x80 | frames.PONG, b"in between"), *sent[2:]]


def test_early_bytes_of_both_sides(live: Gateway, seen: FakeStreamlit) -> None:
    """Nothing is lost of what came with the handshakes."""
    seen.greeting = frames.text("welcome").encode()
    glued = [frames.text("first"), frames.text("second")]
    with live.websocket(glued=glued) as websocket:
        answers = [websocket.receive() for _ in range(3)]

    assert [answer.payload for answer in answers if answer] == [b"welcome", b"first", b"second"]


def test_handshake_reaches_streamlit(live: Gateway, seen: FakeStreamlit) -> None:
    headers = [
        ("Cookie", "_streamlit_xsrf=2|abc; fluxsync_replica=r1"),
        ("User-Agent", "test"),
        ("Accept-Language", "de"),
        ("Sec-WebSocket-Protocol", "streamlit, token, session-id"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ]
    with live.websocket(headers) as websocket:
        response = websocket.response
        request = seen.wait_for_websocket().request

    assert request.target == websockets.PATH
    assert request.get("Cookie") == "_streamlit_xsrf=2|abc"
    assert request.get("User-Agent") == "test"
    assert request.get("Accept-Language") == "de"
    assert request.get("Sec-WebSocket-Protocol") == "streamlit, token, session-id"
    assert request.get("Sec-WebSocket-Extensions") == "permessage-deflate"
    assert len(request.all("Host")) == 1
    assert request.get("Host") == f"127.0.0.1:{live.port}"
    assert request.get("X-Forwarded-Proto") == "http"
    assert request.get("X-Fluxsync-Transport") == "websocket"
    assert request.get("X-Fluxsync-Replica") == "r1"
    assert request.get("X-Request-Id") == response.get("X-Request-Id") != ""
    assert response.get("Sec-WebSocket-Protocol") == "streamlit"


def test_greeting(live: Gateway, seen: FakeStreamlit) -> None:
    """A page that asks gets it before all else; Streamlit doesn't see that it asked."""
    seen.greeting = frames.binary(b"welcome").encode()
    with live.websocket(path=f"{websockets.PATH}?fluxsync=greet") as websocket:
        assert websocket.receive() == frames.text("fluxsync")
        assert websocket.receive() == frames.binary(b"welcome")
        assert websocket.echo("hello") == "hello"

    assert seen.wait_for_websocket().request.target == websockets.PATH


@pytest.mark.parametrize("query", ["", "?", "?fluxsync=greet&x=1", "?fluxsync=", "?FLUXSYNC=greet"])
def test_no_greeting(live: Gateway, seen: FakeStreamlit, query: str) -> None:
    """For those who don't ask, nothing changes."""
    with live.websocket(path=websockets.PATH + query) as websocket:
        assert websocket.echo("hello") == "hello"

    assert seen.wait_for_websocket().request.target == websockets.PATH + query


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "bye"), (1009, "zu groß"), (4321, "own")]
)
def test_close_of_streamlit_reaches_the_client(live: Gateway, code: int, reason: str) -> None:
    with live.websocket() as websocket:
        websocket.send(frames.text(f"close {code} {reason}"))
        close = websocket.receive()
        assert close is not None
        websocket.send(frames.close(code))
        websocket.receive()
        assert websocket.connection.is_closed()

    assert (close.close_code, close.close_reason) == (code, reason)


@pytest.mark.parametrize(("code", "reason"), [(1000, "done"), (1001, ""), (None, ""), (4000, "x")])
def test_close_of_the_client_reaches_streamlit(
    live: Gateway, seen: FakeStreamlit, code: int | None, reason: str
) -> None:
    with live.websocket() as websocket:
        websocket.send(frames.close(code, reason))
        answer = websocket.receive()
        assert answer is not None
        assert websocket.connection.is_closed()

    upstream = seen.websockets[0]
    assert upstream.ended.wait(10)
    assert (upstream.close_code, upstream.close_reason) == (code or 1005, reason)
    assert answer.opcode == frames.CLOSE


def test_client_that_vanishes(live: Gateway, seen: FakeStreamlit) -> None:
    for end in ("close", "reset"):
        seen.reset()
        with live.websocket() as websocket:
            websocket.echo("hello")
            getattr(websocket.connection, end)()
        upstream = seen.wait_for_websocket()
        assert upstream.ended.wait(10)
        assert upstream.close_code is None


def test_streamlit_that_vanishes(live: Gateway) -> None:
    """The client is told that the service restarts, and not nothing."""
    with live.websocket() as websocket:
        websocket.send(frames.text("abort"))
        close = websocket.receive()

    assert close is not None
    assert close.close_code == 1012


@pytest.mark.parametrize(("status", "body"), [(403, b"not you"), (404, b""), (503, b"later")])
def test_refusal_of_streamlit_reaches_the_client(
    live: Gateway, seen: FakeStreamlit, status: int, body: bytes
) -> None:
    seen.refusal = (status, body)
    with live.connection() as connection:
        target = live.target(websockets.PATH)
        websockets_response = websockets.handshake(connection, target)
        pieces = b"".join(connection.iter_body(websockets_response))

    assert websockets_response.status == status
    assert pieces == body


def test_nothing_is_smuggled_through_a_refusal(live: Gateway, seen: FakeStreamlit) -> None:
    """A second request on a connection whose handshake was refused meets the gateway."""
    seen.refusal = (200, b"not a websocket")
    smuggled = b"GET /_stcore/metrics HTTP/1.1\r\nHost: x\r\nX-Remote-User: admin\r\n\r\n"
    with live.connection() as connection:
        target = live.target(websockets.PATH)
        response = websockets.handshake(connection, target, glued=smuggled)
        list(connection.iter_body(response))
        with contextlib.suppress(OSError):
            connection.send(smuggled)
        with contextlib.suppress(ConnectionError, AssertionError):
            connection.read_response()

    assert (response.status, response.reason) == (502, "Bad Gateway")
    assert [request.path for request in seen.requests] == [websockets.PATH]


@pytest.mark.parametrize(
    ("headers", "leave_out", "status"),
    [
        pytest.param([("Connection", "keep-alive")], (), 400, id="no Connection: upgrade"),
        pytest.param([("Sec-WebSocket-Version", "8")], (), 426, id="old version"),
        pytest.param([], ("sec-websocket-version",), 426, id="no version"),
        pytest.param([("Sec-WebSocket-Key", "c2hvcnQ=")], (), 400, id="short key"),
        pytest.param([], ("sec-websocket-key",), 400, id="no key"),
        pytest.param([("Content-Length", "5")], (), 400, id="body"),
    ],
)
def test_malformed_handshakes_go_nowhere(
    live: Gateway,
    seen: FakeStreamlit,
    headers: http.Headers,
    leave_out: tuple[str, ...],
    status: int,
) -> None:
    with live.connection() as connection:
        target = live.target(websockets.PATH)
        response = websockets.handshake(
            connection, target, headers, leave_out=leave_out, glued=b"hello"
        )

    assert response.status == status
    assert not seen.requests


def test_post_with_upgrade_is_no_websocket(live: Gateway, seen: FakeStreamlit) -> None:
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade")]

    assert live.post(websockets.PATH, b"x", headers).status == 405
    assert not seen.requests


@pytest.mark.parametrize(
    ("worker_class", "args"),
    [
        ("sync", ("--workers", "1")),
        ("gthread", ("--workers", "1", "--threads", "2")),
        ("gevent", ()),
    ],
)
def test_two_hundred_open_websockets_hold_nothing(
    gateway: Callable[..., Gateway], worker_class: str, args: tuple[str, ...]
) -> None:
    """With one thread or two, other requests are answered, and the worker can end."""
    env = {"FLUXSYNC_APP": "tests.live.apps:app"}
    server = gateway(worker_class, env=env, args=args)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(server.websocket()) for _ in range(200)]
        for path in ("/healthz", "/api/echo", "/echo"):
            assert server.get(path).status == 200
        for number, websocket in enumerate(opened):
            assert websocket.echo(f"{number}") == f"{number}"
        # A graceful end waits for requests, and these are none.
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        for websocket in opened:
            close = websocket.receive()
            assert close is not None
            assert close.close_code == 1001


@pytest.mark.parametrize("event", ["hup", "kill", "max-requests"])
def test_websockets_outlive_workers(gateway: Callable[..., Gateway], event: str) -> None:
    server = gateway(args=("--workers", "2", "--max-requests", "40"))

    def workers() -> set[int]:
        return {p.pid for p in server.processes() if p.ppid() == server.pid}

    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(server.websocket()) for _ in range(30)]
        before = workers()
        if event == "hup":
            server.send_signal(signal.SIGHUP)
        elif event == "kill":
            for process in server.processes():
                if process.pid in before:
                    process.kill()
        else:

            def are_replaced() -> bool:
                with contextlib.suppress(ConnectionError):  # of one that is just leaving
                    assert server.get("/echo").status in (200, 503)
                return not before & workers()

            eventually(are_replaced, 30)
        eventually(lambda: len(workers() - before) == 2 and not before & workers(), 30)
        for number, websocket in enumerate(opened):
            assert websocket.echo(f"{number}") == f"{number}"
        server.wait_ready()


def test_relay_in_the_worker(gateway: Callable[..., Gateway], worker_class: str) -> None:
    """The same relay, as a thread of the worker."""
    server = gateway(worker_class, env={"FLUXSYNC_GATEWAY_WS_RELAY": "worker"}, args=("-w", "1"))
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(server.websocket()) for _ in range(20)]
        assert server.get("/healthz").status == 200
        for number, websocket in enumerate(opened):
            assert websocket.echo(f"{number}") == f"{number}"
        opened[0].send(frames.text("close 4000 bye"))
        close = opened[0].receive()

    assert close is not None
    assert (close.close_code, close.close_reason) == (4000, "bye")


def test_log_of_a_websocket(live: Gateway) -> None:
    """Two lines of the relay, and none of the request."""
    start = len(live.lines)
    with live.websocket([("X-Request-Id", "socket-1")]) as websocket:
        websocket.echo("hello")
        websocket.send(frames.close(1000))
        websocket.receive()
    line = live.wait_for_line("websocket closed.*request_id=socket-1", start=start)[0]
    text = next(text for text in live.lines[start:] if line in text)

    assert 'close="1000 (normal closure)"' in text
    assert "messages_in=1 messages_out=1" in text
    live.wait_for_line("websocket opened.*request_id=socket-1", start=start)
    lines = [line for line in live.lines[start:] if "request_id=socket-1" in line]
    assert not [line for line in lines if "fluxsync.access" in line]
