"""Bodies flow through piece by piece, in constant memory, and break where they break."""

from __future__ import annotations

import contextlib
import hashlib
import select
import typing as t

import psutil
import pytest

from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit, pattern

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live_server

MB = 1024 * 1024


def test_events_arrive_one_by_one(live: Gateway, seen: FakeStreamlit) -> None:
    """Each is sent only after the one before has arrived."""
    with live.connection() as connection:
        connection.send_request("GET", live.target("/gated/3"))
        seen.gate.release()
        response = connection.read_head()
        body = connection.iter_body(response)
        for number in range(3):
            assert next(body) == b"data: %d\n\n" % number
            seen.gate.release()
        assert list(body) == []

    assert response.get("Content-Type") == "text/event-stream"


def test_events_of_the_api(live: Gateway) -> None:
    response = live.get("/api/events/3")

    assert response.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert len(response.chunks) == 3


@pytest.fixture
def growth(live: Gateway) -> Callable[[], dict[str, float]]:
    """Return by how many MB each process of the gateway has grown since."""
    live.get("/bytes/1000000")
    before = {process: process.memory_info().rss for process in live.processes()}

    def measure() -> dict[str, float]:
        grown = {}
        for process, rss in before.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                grown[str(process)] = (process.memory_info().rss - rss) / MB
        return grown

    return measure


def test_large_download(live: Gateway, growth: Callable[[], dict[str, float]]) -> None:
    """300 MB come down in constant memory."""
    size = 300 * MB
    digest, expected = hashlib.sha256(), hashlib.sha256()
    with live.connection() as connection:
        connection.send_request("GET", live.target(f"/bytes/{size}"))
        response = connection.read_head()
        most = 0.0
        for count, piece in enumerate(connection.iter_body(response)):
            digest.update(piece)
            if count % 500 == 0:
                most = max(most, *growth().values())
    for piece in pattern(size):
        expected.update(piece)

    assert response.complete
    assert digest.digest() == expected.digest()
    assert max(most, *growth().values()) < 32


def chunked(size: int) -> Iterator[bytes]:
    for piece in pattern(size):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_upload(
    live: Gateway, seen: FakeStreamlit, growth: Callable[[], dict[str, float]], framing: str
) -> None:
    """300 MB go up in constant memory."""
    size = 300 * MB
    headers = (
        [("Content-Length", str(size))]
        if framing == "length"
        else [("Transfer-Encoding", "chunked")]
    )
    most = 0.0
    with live.connection() as connection:
        connection.send_request("PUT", live.target("/sink"), headers)
        for count, piece in enumerate(pattern(size) if framing == "length" else chunked(size)):
            connection.send(piece)
            if count % 500 == 0:
                most = max(most, *growth().values())
        assert connection.read_response().status == 204

    upload = seen.sinks.get(timeout=30)
    expected = hashlib.sha256()
    for piece in pattern(size):
        expected.update(piece)
    assert upload.complete
    assert upload.body_sha256 == expected.hexdigest()
    assert max(most, *growth().values()) < 32


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("end", ["orderly", "reset"])
def test_client_vanishes_in_mid_upload(
    live: Gateway, seen: FakeStreamlit, framing: str, end: str
) -> None:
    """Streamlit sees a request that broke off, never a short one that looks complete."""
    head = (
        ("Content-Length", "1000000") if framing == "length" else ("Transfer-Encoding", "chunked")
    )
    with live.connection() as connection:
        body = b"x" * 200_000
        connection.send_request("PUT", live.target("/sink"), [head])
        connection.send(body if framing == "length" else b"30d40\r\n" + body + b"\r\n")
        seen.wait_for_request("/sink")
        if end == "reset":
            connection.reset()
    upload = seen.sinks.get(timeout=20)

    assert not upload.complete
    assert upload.body_length <= 200_000


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload_that_is_refused_unread(live: Gateway, framing: str) -> None:
    """The refusal reaches the client, while Streamlit reads nothing and keeps the connection."""
    size = 100 * MB
    head = (
        ("Content-Length", str(size)) if framing == "length" else ("Transfer-Encoding", "chunked")
    )
    with live.connection() as connection:
        connection.send_request("PUT", live.target("/refuse"), [head])
        for piece in pattern(size) if framing == "length" else chunked(size):
            if select.select([connection.sock], [], [], 0)[0]:
                break
            with contextlib.suppress(ConnectionError):
                connection.send(piece)
        response = connection.read_response()

    assert (response.status, response.body) == (413, b"refused")


def test_upstream_breaks_off(live: Gateway) -> None:
    for path in ("/reset", "/reset-chunked"):
        assert not live.get(path).complete


def test_upstream_breaks_off_before_an_old_client(live: Gateway) -> None:
    """Without chunks, an orderly end would look like that of the response."""
    with live.connection() as connection:
        head = f"GET {live.target('/reset-chunked')} HTTP/1.0\r\nHost: h\r\n\r\n"
        connection.send(head.encode())
        with pytest.raises(ConnectionResetError):
            connection.sock.makefile("rb").read()


def test_upstream_breaks_off_before_the_body(live: Gateway, seen: FakeStreamlit) -> None:
    """Nothing was sent to the client yet, so it gets an answer."""
    seen.files["/short"] = ([("Content-Length", "5")], b"")

    response = live.get("/short")

    assert response.status == 502
    assert "5 bytes before its end" in response.text


def test_client_goes_away_in_mid_download(live: Gateway, seen: FakeStreamlit) -> None:
    """The gateway stops asking for more, and is there for others."""
    with live.connection() as connection:
        connection.send_request("GET", live.target(f"/bytes/{1000 * MB}"))
        next(connection.iter_body(connection.read_head()))

    assert live.get("/healthz").status == 200


@pytest.mark.parametrize("path", ["/garbage", "/nothing"])
def test_bad_answers_are_502(live: Gateway, path: str) -> None:
    response = live.get(path)

    assert response.status == 502
    assert "Streamlit" in response.text


@pytest.mark.parametrize("kind", ["gthread", "gevent"])
def test_silent_upstream_is_504(gateway: Callable[..., Gateway], kind: str) -> None:
    server = gateway(kind, env={"FLUXSYNC_GATEWAY_UPSTREAM_READ_TIMEOUT_S": "0.5"})

    response = server.get("/slow/60")

    assert response.status == 504
    assert "gateway_upstream_read_timeout_s" in response.text


def test_body_limit(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    """What is announced too large is refused before it is read, the rest when it shows.

    Smaller bodies than these are waited for before anybody looks at them.
    """
    server = gateway(env={"FLUXSYNC_GATEWAY_MAX_PROXY_REQUEST_BODY_BYTES": "100000"})

    assert server.post("/echo", b"x" * 100_000).status == 200
    with server.connection() as connection:
        connection.send_request("POST", "/echo/announced", [("Content-Length", "100001")])
        response = connection.read_response()
        assert response.status == 413
        assert "gateway_max_proxy_request_body_bytes" in response.text
    body = b"186a1\r\n" + b"x" * 100_001 + b"\r\n0\r\n\r\n"
    assert server.post("/sink", body, [("Transfer-Encoding", "chunked")]).status == 413

    assert not upstream.sinks.get(timeout=10).complete
    assert [r.path for r in upstream.requests] == ["/echo", "/sink"]


def test_nobody_listens_upstream(gateway: Callable[..., Gateway]) -> None:
    """A server that is not there makes the UI unavailable, not the API."""
    from tests.support.processes import free_port

    env = {"FLUXSYNC_STREAMLIT_UPSTREAM": f"http://127.0.0.1:{free_port()}"}
    server = gateway(upstream=None, env=env, ready=False)

    response = server.get("/", [("Accept", "text/html")])
    assert response.status == 503
    assert response.get("Retry-After") == "1"
    assert server.get("/readyz").status == 503
    assert server.get("/healthz").status == 200
    assert server.get("/api/openapi.json").status == 200


def test_environment_proxies_change_nothing(
    gateway: Callable[..., Gateway], upstream: FakeStreamlit
) -> None:
    proxy = "http://127.0.0.1:9"
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    server = gateway(env=dict.fromkeys(names, proxy))

    assert server.get("/echo").status == 200
    with server.websocket() as websocket:
        assert websocket.echo("hello") == "hello"
