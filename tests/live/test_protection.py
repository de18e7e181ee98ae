"""Limits under servers, where clients go away and connections are handed over."""

from __future__ import annotations

import selectors
import typing as t

import pytest

from tests.support import http
from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live_server

LIMIT = 200_000
ENV = {
    "FLUXSYNC_APP": "tests.live.apps:app",
    "FLUXSYNC_ENABLE_SECURITY_HEADERS": "true",
    "FLUXSYNC_CONTENT_SECURITY_POLICY": "script-src 'nonce-{nonce}'",
    "FLUXSYNC_CORS_ALLOW_ORIGINS": "https://one.example",
    "FLUXSYNC_ALLOWED_HOSTS": "127.0.0.1",
    "FLUXSYNC_API_MAX_REQUEST_BODY_BYTES": str(LIMIT),
    "FLUXSYNC_GATEWAY_MAX_CONCURRENT_UPSTREAM_HTTP": "1",
    "FLUXSYNC_API_MAX_CONCURRENT_REQUESTS": "1",
    "FLUXSYNC_GATEWAY_QUEUE_SIZE": "1",
    "FLUXSYNC_GATEWAY_QUEUE_TIMEOUT_S": "60",
}
ORIGIN = ("Origin", "https://one.example")
ARGS = {"gthread": ("--threads", "6"), "gevent": ()}


@pytest.fixture(params=ARGS)
def server(
    request: pytest.FixtureRequest, gateway: Callable[..., Gateway], upstream: FakeStreamlit
) -> Gateway:
    """One worker process with one place for Streamlit and one for the API."""
    return gateway(request.param, upstream=upstream, env=ENV, args=ARGS[request.param])


def first_answer(*connections: http.Connection) -> tuple[http.Connection, http.Response]:
    """Return the connection on which the first answer comes, and that."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.sock, selectors.EVENT_READ, connection)
        (key, _), *_ = selector.select(20)
    return key.data, key.data.read_response()


def test_limits(server: Gateway, upstream: FakeStreamlit) -> None:
    """One after the other, as each must leave the only place to the next one."""
    one_waits_and_one_is_refused(server, upstream)
    a_client_goes_away(server, upstream)
    slow_upload(server, upstream)
    if server.worker_class == "gthread":
        slow_download(server)
    a_stream_is_given_up(server)
    large_bodies(server)
    assert server.get("/echo", [("Host", "evil.example")]).status == 400
    assert "Traceback" not in server.output


def one_waits_and_one_is_refused(server: Gateway, upstream: FakeStreamlit) -> None:
    with server.connection() as holding, server.connection() as a, server.connection() as b:
        holding.send_request("GET", "/gated/2")
        upstream.wait_for_request("/gated/2")
        for connection in (a, b):
            connection.send_request("GET", "/echo/waits")
        refused, answer = first_answer(a, b)
        assert (answer.status, answer.get("Retry-After")) == (503, "1")
        assert answer.get("X-Content-Type-Options") == "nosniff"
        assert server.get("/healthz").status == 200
        assert server.get("/api/echo").status == 200
        upstream.gate.release(2)
        assert holding.read_response().status == 200
        (waiting,) = {a, b} - {refused}
        assert waiting.read_response().status == 200
    upstream.reset()


def a_client_goes_away(server: Gateway, upstream: FakeStreamlit) -> None:
    with server.connection() as leaving:
        leaving.send_request("GET", "/gated/1000")
        upstream.gate.release()
        leaving.read_head()
        leaving.reset()
    upstream.gate.release(999)
    assert server.get("/echo").status == 200
    upstream.reset()


def slow_upload(server: Gateway, upstream: FakeStreamlit) -> None:
    """The relay says what the gateway would have said."""
    with server.connection() as slow:
        fields = [("Content-Length", "300000"), ("Origin", f"http://{slow.host}")]
        slow.send_request("PUT", "/sink", fields)
        slow.send(b"x" * 1000)
        upstream.wait_for_request("/sink")
        assert server.get("/echo", [ORIGIN]).status == 200
        slow.send(b"x" * 299_000)
        answer = slow.read_response("PUT")
    assert answer.status == 204
    assert answer.get("X-Frame-Options") == "SAMEORIGIN"
    assert answer.get("Content-Security-Policy").startswith("script-src 'nonce-")
    assert answer.get("Vary") == "Origin"
    assert "Access-Control-Allow-Origin" not in answer


def slow_download(server: Gateway) -> None:
    with server.connection() as slow:
        slow.send_request("GET", "/bytes/50000000")
        assert slow.read_head().status == 200
        assert server.get("/echo").status == 200
        slow.reset()


def a_stream_is_given_up(server: Gateway) -> None:
    with server.connection() as leaving:
        leaving.send_request("GET", "/api/events/100000?pause=0.001", [ORIGIN])
        assert leaving.read_head().get("Access-Control-Allow-Origin") == ORIGIN[1]
        leaving.reset()
    assert server.get("/api/echo").status == 200


def large_bodies(server: Gateway) -> None:
    """Nobody reads a terabyte to say no; the connection isn't used for anything else."""
    with server.connection() as huge:
        huge.send_request("POST", "/api/echo", [("Content-Length", str(10**12))])
        answer = huge.read_response()
        assert (answer.status, answer.get("Content-Type")) == (413, "application/problem+json")
        # Else a thread would wait for what is to come.
        assert answer.get("Connection") == "close"
        huge.sock.shutdown(1)
        assert huge.is_closed()
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (LIMIT + 1, b"x" * (LIMIT + 1))
    chunked = [("Transfer-Encoding", "chunked")]
    assert server.post("/api/echo", body, chunked).status == 413
    assert server.post("/api/echo", b"x" * LIMIT).json()["body_length"] == LIMIT
    eventually(lambda: server.get("/api/echo").status == 200, 10)
