"""APIs that aren't flask-openapi3's, and the API's WebSockets, under gunicorn."""

from __future__ import annotations

import contextlib
import re
import signal
import typing as t

import pytest
import websocket

from tests.live.test_tls import TlsGateway
from tests.support.frames import Frame, binary, close, text
from tests.support.gateways import MOUNTS, Gateway
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually
from tests.support.websocket import RawWebSocket, connect, handshake

pytestmark = pytest.mark.live_server

ENV = {
    "FLUXSYNC_APP": "tests.live.kinds:app",
    "FLUXSYNC_API_WS_MAX_CONNECTIONS": "8",
    "FLUXSYNC_GATEWAY_WS_MAX_MESSAGE_BYTES": "6000000",
}
#: Both under a prefix.
ROOT = "/subdir"
#: A worker that is busy with its end isn't killed.
PATIENT = ("--graceful-timeout", "10")
LARGE = bytes(range(256)) * (5 * 1024 * 1024 // 256)


@pytest.fixture(scope="module")
def upstream_of_all() -> t.Iterator[FakeStreamlit]:
    with FakeStreamlit() as server:
        yield server


@pytest.fixture(scope="module")
def threads(upstream_of_all: FakeStreamlit) -> t.Iterator[Gateway]:
    """gthread with two threads, which many tests share."""
    with Gateway(
        upstream=upstream_of_all, env=ENV, args=("--threads", "2"), mount=MOUNTS["full"]
    ) as gateway:
        yield gateway


@pytest.fixture(params=["sync", "gevent"])
def other(request: pytest.FixtureRequest, upstream_of_all: FakeStreamlit) -> t.Iterator[Gateway]:
    """The other kinds of workers."""
    with Gateway(
        request.param, upstream=upstream_of_all, env=ENV, args=PATIENT, mount=MOUNTS["full"]
    ) as gateway:
        yield gateway


def receive(sock: websocket.WebSocket) -> bytes:
    """Return the next message as bytes."""
    data = sock.recv()
    return data if isinstance(data, bytes) else data.encode()


def socket_of(gateway: Gateway, path: str, **options: t.Any) -> t.Any:
    options.setdefault("subprotocols", ())
    return connect(gateway.port, gateway.target(f"/api{path}"), **options)


def check_streaming(gateway: Gateway, name: str) -> None:
    """Each piece arrives before the next is made."""
    with gateway.connection() as connection:
        connection.send_request("GET", gateway.target(f"/api/pieces/{name}"))
        response = connection.read_head()
        body = connection.iter_body(response)
        assert response.status == 200
        for number in range(3):
            assert next(body) == f"data: {number}\n\n".encode()
            assert gateway.post(f"/api/step/{name}", b"").status == 200
        assert list(body) == []


def check_echo(gateway: Gateway) -> None:
    with socket_of(gateway, "/echo") as sock:
        sock.send_binary(LARGE)
        assert receive(sock) == LARGE
        sock.send("short")
        assert receive(sock) == b"short"
        sock.close()


def test_fastapi_has_its_own_documentation(threads: Gateway) -> None:
    page = threads.get("/api/docs").text
    description = threads.get("/api/openapi.json").json()

    assert f"'{ROOT}/api/openapi.json'" in page
    assert "/where/{name}" in description["paths"]
    assert description["servers"] == [{"url": f"{ROOT}/api"}]


def test_fastapi_knows_where_it_is(threads: Gateway) -> None:
    answer = threads.get("/api/where/%E6%97%A5").json()

    assert answer["name"] == "日"
    assert answer["root_path"] == f"{ROOT}/api"
    assert answer["url"] == threads.url("/api/where/x")
    assert answer["starts"] == [answer["pid"]]


def test_streams_in_pieces(threads: Gateway) -> None:
    check_streaming(threads, "gthread")


def test_sees_that_the_client_has_left(threads: Gateway) -> None:
    """Also while there's nothing to send."""
    with threads.connection() as connection:
        connection.send_request("GET", threads.target("/api/pieces/left"))
        next(connection.iter_body(connection.read_head()))

    eventually(lambda: threads.get("/api/gone/left").json()["gone"], 10, lambda: threads.output)


def test_bodies_in_chunks(threads: Gateway) -> None:
    with threads.connection() as connection:
        connection.send_request(
            "POST", threads.target("/api/count"), [("Transfer-Encoding", "chunked")]
        )
        for _ in range(3):
            connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        connection.send(b"0\r\n\r\n")
        response = connection.read_response()

    assert response.json() == {"bytes": 3 * 65536}


def test_failure_is_logged(threads: Gateway) -> None:
    assert threads.get("/api/boom").status == 500
    threads.wait_for_line("ZeroDivisionError: boom")


def test_large_messages_arrive_whole(threads: Gateway) -> None:
    check_echo(threads)


def test_too_large_message_is_refused(threads: Gateway) -> None:
    with RawWebSocket(threads.port, threads.target("/api/echo")) as sock:
        sock.send(binary(b"x" * 6_000_001))
        answer = sock.receive()

    assert answer is not None
    assert answer.close_code == 1009


def test_more_websockets_than_threads(threads: Gateway) -> None:
    """Plain requests are answered beside them; only a limit ends it."""
    with contextlib.ExitStack() as stack:

        def opened() -> t.Any:
            """Open one, if those of earlier tests have gone."""
            with contextlib.suppress(websocket.WebSocketBadStatusException):
                return stack.enter_context(socket_of(threads, "/echo"))
            return None

        socks = [eventually(opened) for _ in range(8)]
        for number, sock in enumerate(socks):
            sock.send(str(number))
        assert [receive(sock) for sock in socks] == [b"%d" % n for n in range(8)]
        assert threads.get("/api/where/x").status == 200
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            stack.enter_context(socket_of(threads, "/echo"))
        for sock in socks:
            sock.close()

    assert refused.value.status_code == 503
    assert refused.value.resp_headers is not None
    assert int(refused.value.resp_headers["retry-after"]) > 0

    def again() -> bool:
        with contextlib.suppress(websocket.WebSocketBadStatusException):
            with socket_of(threads, "/echo") as sock:
                sock.close()
            return True
        return False

    eventually(again, 10)


def test_arguments_subprotocols_and_end(threads: Gateway) -> None:
    with socket_of(threads, "/rooms/7") as sock:
        assert receive(sock) == f"7 {ROOT}/api /rooms/7 None".encode()
        sock.send("bye")
        opcode, data = sock.recv_data(control_frame=True)
    assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xe8")

    with socket_of(threads, "/echo", subprotocols=("first", "second")) as sock:
        assert sock.subprotocol == "first"
        sock.close()


def test_failing_handler(threads: Gateway) -> None:
    with socket_of(threads, "/rooms/8") as sock:
        receive(sock)
        sock.send("fail")
        _, data = sock.recv_data(control_frame=True)

    assert data[:2] == (1011).to_bytes(2, "big")
    threads.wait_for_line("ZeroDivisionError: in a room")


def test_frames_behind_the_handshake(threads: Gateway) -> None:
    with RawWebSocket(
        threads.port, threads.target("/api/echo"), glued=[text("early"), text("bird")]
    ) as sock:
        assert [sock.receive(), sock.receive()] == [text("early"), text("bird")]
        assert "x-request-id" in sock.response
        sock.send(close())
        assert sock.receive() == close()
        assert sock.receive() is None


def test_sender_that_does_not_listen(threads: Gateway) -> None:
    """A client may send a lot before it reads anything, and pings in between are answered."""
    with RawWebSocket(threads.port, threads.target("/api/flood")) as sock:
        assert sock.receive() == text("ready")
        for _ in range(200):
            sock.send(binary(b"x" * 50_000))
        sock.send(Frame(0x89, b"?"))
        sock.send(text("end"))
        found = [sock.receive(), sock.receive()]

    assert Frame(0x8A, b"?") in found
    assert text(str(200 * 50_000)) in found


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_foreign_page(threads: Gateway, origin: str) -> None:
    with (
        pytest.raises(websocket.WebSocketBadStatusException) as refused,
        socket_of(threads, "/echo", origin=origin),
    ):
        pass

    assert refused.value.status_code == 403


def test_other_requests(threads: Gateway) -> None:
    assert threads.get("/api/echo").status == 426
    assert threads.get("/api/rooms/x").status == 404
    with threads.connection() as connection:
        wrong = [("Sec-WebSocket-Protocol", "é")]
        assert handshake(connection, threads.target("/api/echo"), wrong).status == 400
    with (
        pytest.raises(websocket.WebSocketBadStatusException) as refused,
        socket_of(threads, "/where/x"),
    ):
        pass
    assert refused.value.status_code == 501


def test_other_workers(other: Gateway) -> None:
    """The lifespan runs once per worker, after the fork, and ends with it."""
    check_streaming(other, "other")
    check_echo(other)
    with contextlib.ExitStack() as stack:
        if other.worker_class == "gevent":  # of two sync workers, one may be idle
            sock = stack.enter_context(socket_of(other, "/echo"))
            sock.send("here")
            assert receive(sock) == b"here"
        other.stop()
    begun = set(re.findall(r"lifespan begins in (\d+)", other.output))
    assert begun
    assert begun == set(re.findall(r"lifespan ends in (\d+)", other.output))


def test_tls(upstream_of_all: FakeStreamlit) -> None:
    """It ends in the worker; a large message, a ping within it and early frames arrive."""
    gateway = TlsGateway("gthread", upstream_of_all)
    gateway.env.update(ENV)
    with gateway, gateway.websocket(path="/api/echo", glued=[text("early")]) as sock:
        assert sock.receive() == text("early")
        sock.send(binary(LARGE))
        sock.send(Frame(0x89, b"?"))
        found = [sock.receive(), sock.receive()]
        sock.send(close())
        assert sock.receive() == close()

    assert binary(LARGE) in found
    assert Frame(0x8A, b"?") in found


def test_shutdown_says_goodbye(upstream_of_all: FakeStreamlit) -> None:
    gateway = Gateway(upstream=upstream_of_all, env=ENV, args=("--preload", *PATIENT))
    with gateway, RawWebSocket(gateway.port, "/api/echo") as sock:
        sock.send(text("here"))
        assert sock.receive() == text("here")
        gateway.send_signal(signal.SIGTERM)
        goodbye = sock.receive()
        sock.send(close(1001))
        gateway.stop()

    assert goodbye is not None
    assert goodbye.close_code == 1001
    (begun,) = re.findall(r"lifespan begins in (\d+)", gateway.output)
    assert re.findall(r"lifespan ends in (\d+)", gateway.output) == [begun]
    assert begun != str(gateway.pid)
