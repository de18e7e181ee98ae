"""Clients that send or take slowly hold no thread, in whichever worker."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import typing as t

import pytest

from tests.support import http
from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit, pattern
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live_server

MB = 1024 * 1024

#: More clients than threads.
CLIENTS = 8
#: A body that is too large to be waited for outside.
LARGE = 100_000
#: One sync worker serves one request at a time; four threads, four; gevent as many as come.
SERVERS = {
    "sync": ("--workers", "1"),
    "gthread": ("--threads", "4"),
    "gevent": (),
}


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest, gateway: Callable[..., Gateway], upstream: FakeStreamlit
) -> Gateway:
    """A gateway with little room, in front of :func:`upstream`."""
    env = {"FLUXSYNC_APP": "tests.live.apps:app"}
    return gateway(request.param, upstream=upstream, env=env, args=SERVERS[request.param])


class SlowReader(http.Connection):
    """A client that asks for much and takes nothing until it's told to."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.sock.close()
        self.sock = socket.socket()
        # Before connecting, as it's agreed upon then how much may be under way.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(20)
        self.sock.connect(("127.0.0.1", port))


def sha256(pieces: t.Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def test_slow_uploads(server: Gateway, upstream: FakeStreamlit) -> None:
    body = b"".join(pattern(300_000))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connection()) for _ in range(CLIENTS)]
        for client in clients:
            client.send_request("PUT", "/sink", [("Content-Length", str(len(body)))])
            client.send(body[:1000])
        # All of them are under way, and none can end yet.
        eventually(lambda: len(upstream.requests) == CLIENTS, 10)
        assert server.get("/healthz").status == 200
        assert upstream.sinks.empty()
        for client in clients:
            client.send(body[1000:])
        responses = [client.read_response() for client in clients]

    assert {response.status for response in responses} == {204}
    uploads = [upstream.sinks.get(timeout=10) for _ in clients]
    assert {upload.body_sha256 for upload in uploads} == {sha256([body])}


def test_answer_to_a_slow_upload(server: Gateway, upstream: FakeStreamlit) -> None:
    """It's the same as for a quick one, but that the connection ends."""
    body = b"".join(pattern(LARGE))
    headers = [("Content-Type", "text/plain"), ("X-Custom", "a"), ("X-Request-Id", "abc-123")]
    quick = server.post("/echo?q=%2F", b"hello", headers)
    with server.connection() as client:
        client.send_request("POST", "/echo?q=%2F", [*headers, ("Content-Length", str(LARGE))])
        client.send(body[:5])
        # It isn't slow before somebody has waited for it in vain.
        eventually(lambda: len(upstream.requests) == 2)
        client.send(body[5:])
        slow = client.read_response()
        assert client.is_closed()

    assert slow.get("Connection") == "close"
    assert slow.get("X-Request-Id") == "abc-123"
    assert (slow.status, slow.reason) == (quick.status, quick.reason)
    ignored = {"date", "server", "connection", "content-length"}
    assert fields(slow, ignored) == fields(quick, ignored)
    changed = {"Connection": "close", "Content-Length": str(LARGE), "of the body": sha256([body])}
    assert told(slow) == {**told(quick), **changed}


def told(response: http.Response) -> dict[str, str]:
    """Return what the upstream says that it was told, by field."""
    seen = response.json()
    return {**dict(seen.pop("headers")), "of the body": seen["body_sha256"]}


def fields(response: http.Response, ignored: t.Collection[str]) -> set[tuple[str, str]]:
    return {(k.lower(), v) for k, v in response.headers if k.lower() not in ignored}


def test_slow_small_requests(server: Gateway) -> None:
    """The API's too: no thread gets a request before it's complete."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connection()) for _ in range(CLIENTS)]
        for client in clients:
            client.send_request("POST", "/api/echo", [("Content-Length", "1000")])
            client.send(b"x" * 999)
        assert server.get("/healthz").status == 200
        for client in clients:
            client.send(b"x")
        answers = [client.read_response().json() for client in clients]

    assert [answer["body_length"] for answer in answers] == [1000] * CLIENTS


@pytest.mark.parametrize("worker", ["gthread", "gevent"])
def test_silent_uploads(
    gateway: Callable[..., Gateway], upstream: FakeStreamlit, worker: str
) -> None:
    """Where a thread reads a body itself, silence ends it."""
    env = {"FLUXSYNC_APP": "tests.live.apps:app", "FLUXSYNC_GATEWAY_CLIENT_TIMEOUT_S": "0.5"}
    server = gateway(worker, upstream=upstream, env=env)
    chunked, length = ("Transfer-Encoding", "chunked"), ("Content-Length", str(LARGE))
    for path, field in (("/api/echo", chunked), ("/api/echo", length), ("/sink", chunked)):
        with contextlib.ExitStack() as stack:
            for _ in range(CLIENTS):
                client = stack.enter_context(server.connection())
                client.send_request("POST", path, [field])
                client.send(b"3\r\nab")
            assert server.get("/healthz").status == 200
            assert client.read_response().status == 408
            assert client.is_closed()
    assert "Traceback" not in server.output


def test_bodies_that_cannot_be_read(server: Gateway) -> None:
    """It's the client's mistake, and nobody's exception."""
    for path in ("/api/echo", "/sink"):
        for rest, is_gone in ((b"3\r\nab", True), (b"3\r\nabc\r\nxyz\r\n", False)):
            with server.connection() as client:
                client.send_request("POST", path, [("Transfer-Encoding", "chunked")])
                client.send(rest)
                if is_gone:
                    client.sock.shutdown(socket.SHUT_WR)
                assert client.read_response().status == 400
                assert client.is_closed()
        server.wait_for_line(rf"POST {path} 400 .*malformed")
    assert "Traceback" not in server.output


def test_slow_upload_that_breaks_off(server: Gateway, upstream: FakeStreamlit) -> None:
    with server.connection() as client:
        client.send_request("PUT", "/sink", [("Content-Length", str(LARGE))])
        client.send(b"x" * 10)
        upstream.wait_for_request("/sink")
    upload = upstream.sinks.get(timeout=10)

    assert not upload.complete


def test_request_behind_a_slow_upload(server: Gateway, upstream: FakeStreamlit) -> None:
    """What comes behind the body is for nobody: it's no way past the gateway."""
    with server.connection() as client:
        client.send_request("PUT", "/sink", [("Content-Length", str(LARGE))])
        client.send(b"x" * 5)
        upstream.wait_for_request("/sink")
        client.send(b"x" * (LARGE - 5) + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 204
        assert client.is_closed()

    assert [request.path for request in upstream.requests] == ["/sink"]


@pytest.mark.parametrize("path", ["/bytes", "/api/file"])
def test_slow_downloads(server: Gateway, path: str) -> None:
    """Of Streamlit's, and of the API's files."""
    size = 30 * MB
    expected = sha256(pattern(size)) if path == "/bytes" else sha256([bytes(size)])
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(SlowReader(server.port)) for _ in range(CLIENTS)]
        for client in clients:
            client.send_request("GET", f"{path}/{size}")
        assert server.get("/healthz").status == 200
        for client in clients:
            response = client.read_head()
            assert response.status == 200
            assert sha256(client.iter_body(response)) == expected
            assert response.complete


def test_slow_download_is_logged_at_its_end(server: Gateway) -> None:
    if server.worker_class == "gevent":
        pytest.skip("a greenlet waits for the client, and a client of its own")
    size = 30 * MB
    with SlowReader(server.port) as client:
        client.send_request("GET", f"/bytes/{size}?token=secret")
        assert server.get("/healthz").status == 200
        assert "/bytes" not in server.output
        response = client.read_head()
        sha256(client.iter_body(response))
    server.wait_for_line(rf"GET /bytes/{size}\?token=\S+ 200 .*bytes={size} ")

    assert "secret" not in server.output
    assert server.output.count("/bytes/") == 1


def test_stop_waits_for_transfers(server: Gateway, upstream: FakeStreamlit) -> None:
    """As gunicorn waits for requests that its workers still answer."""
    if server.worker_class == "gevent":
        pytest.skip("its downloads are the worker's own")
    size = 30 * MB
    with SlowReader(server.port) as client:
        client.send_request("GET", f"/bytes/{size}")
        assert server.get("/healthz").status == 200
        response = client.read_head()
        server.popen.terminate()
        eventually(lambda: "supervisor ends" in server.output, 10)
        assert sha256(client.iter_body(response)) == sha256(pattern(size))
