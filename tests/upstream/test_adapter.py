from __future__ import annotations

import hashlib
import queue
import typing as t

import pytest
import requests

from fluxsync.exceptions import (
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from fluxsync.upstream.adapter import BodyAborted, GatewayAdapter, GatewayRequest, GatewayResponse
from fluxsync.upstream.body import UpstreamBody
from fluxsync.upstream.connections import Pool
from tests.support.http import Stream
from tests.support.upstream import FakeStreamlit, pattern
from tests.upstream.conftest import Serve, answering

if t.TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Adapters:
    """Makes adapters, and closes them in the end."""

    def __init__(self) -> None:
        self.made: list[GatewayAdapter] = []

    def __call__(self, address: tuple[str, int], read_timeout: float = 10.0) -> GatewayAdapter:
        pool = Pool(*address, connect_timeout=5.0, read_timeout=read_timeout, maxsize=4)
        self.made.append(GatewayAdapter(pool))
        return self.made[-1]


@pytest.fixture
def adapters() -> Iterator[Adapters]:
    made = Adapters()
    yield made
    for adapter in made.made:
        adapter.close()


@pytest.fixture
def adapter(adapters: Adapters, upstream: FakeStreamlit) -> GatewayAdapter:
    return adapters(("127.0.0.1", upstream.port))


def get(target: str, *fields: tuple[str, str], method: str = "GET") -> GatewayRequest:
    return GatewayRequest(method, target, [("Host", "h"), *fields])


def post(body: t.Iterable[bytes], length: int | None = None) -> GatewayRequest:
    return GatewayRequest("POST", "/sink", [("Host", "h")], body, length)


def read(response: GatewayResponse) -> bytes:
    return b"".join(response.raw.stream())


def test_request_goes_out_as_it_came_in(adapter: GatewayAdapter, upstream: FakeStreamlit) -> None:
    target = "/a%2Fb/..//c;d?e=%20&f=|"

    response = adapter.send(get(target, ("X-A", "1"), ("x-a", "2"), ("X-B", "\xe9\u2713")))
    read(response)

    [request] = upstream.requests
    assert (request.method, request.target, request.version) == ("GET", target, "HTTP/1.1")
    assert request.headers == [("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("X-B", "\xe9?")]


def test_requests_own_names() -> None:
    request = get("/a?b", ("X-A", "1"))

    assert request.path_url == "/a?b"
    assert request.headers["x-a"] == "1"


def test_response(adapter: GatewayAdapter) -> None:
    request = get("/set-cookie")

    response = adapter.send(request)

    assert (response.status_code, response.reason) == (200, "Status 200")
    assert response.request is request
    assert response.headers["server"] == "FakeStreamlit"
    assert isinstance(response.raw, UpstreamBody)
    assert [name for name, _ in response.body.head.fields].count("Set-Cookie") == 2
    assert read(response) == b"cookies"


def test_response_is_one_of_requests(adapter: GatewayAdapter) -> None:
    """What a gateway doesn't need is there all the same."""
    response = adapter.send(get("/status/404"))

    assert not response.ok
    assert response.text == "status"
    assert (response.history, list(response.cookies)) == ([], [])
    response.headers["X-Own"] = "1"
    assert not hasattr(response, "unknown")
    assert response.headers["X-Own"] == "1"
    with pytest.raises(requests.HTTPError):
        response.raise_for_status()


def test_request_has_no_other_names() -> None:
    assert not hasattr(get("/"), "unknown")


def test_nothing_is_kept_followed_or_decoded(
    adapter: GatewayAdapter, upstream: FakeStreamlit
) -> None:
    responses = [adapter.send(get(path)) for path in ("/set-cookie", "/redirect?to=/", "/gzip")]
    bodies = [read(response) for response in responses]

    assert [response.status_code for response in responses] == [200, 302, 200]
    assert bodies[-1].startswith(b"\x1f\x8b")
    assert [request.headers for request in upstream.requests] == [[("Host", "h")]] * 3


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "/bytes/200000", b"".join(pattern(200_000)), id="length"),
        pytest.param("GET", "/chunked/3/5", b"x" * 15, id="chunked"),
        pytest.param("GET", "/bytes/0", b"", id="empty"),
        pytest.param("GET", "/status/304", b"", id="not modified"),
        pytest.param("GET", "/status/204", b"", id="no content"),
        pytest.param("HEAD", "/bytes/100", b"", id="HEAD"),
    ],
)
def test_body_and_then_another_on_the_same_connection(
    adapter: GatewayAdapter, upstream: FakeStreamlit, method: str, path: str, body: bytes
) -> None:
    for _ in range(2):
        assert read(adapter.send(get(path, method=method))) == body

    assert [request.connection for request in upstream.requests] == [1, 1]


def test_body_that_ends_with_the_connection(
    adapter: GatewayAdapter, upstream: FakeStreamlit
) -> None:
    for _ in range(2):
        assert read(adapter.send(get("/close/100000"))) == b"".join(pattern(100_000))

    assert [request.connection for request in upstream.requests] == [1, 2]


def test_length_of_head_is_kept(adapter: GatewayAdapter) -> None:
    response = adapter.send(get("/bytes/100", method="HEAD"))

    assert response.headers["Content-Length"] == "100"
    response.raw.close()


@pytest.mark.parametrize(
    ("length", "headers"),
    [
        pytest.param(6, [("Content-Length", "6")], id="length"),
        pytest.param(None, [("Transfer-Encoding", "chunked")], id="chunked"),
    ],
)
def test_body_of_a_request(
    adapter: GatewayAdapter,
    upstream: FakeStreamlit,
    length: int | None,
    headers: list[tuple[str, str]],
) -> None:
    """An empty piece isn't the end."""
    read(adapter.send(post(iter([b"abc", b"", b"def"]), length)))

    [request] = upstream.requests
    assert request.headers == [("Host", "h"), *headers]
    assert request.complete
    assert request.body_sha256 == hashlib.sha256(b"abcdef").hexdigest()


@pytest.mark.parametrize("length", [6, None], ids=["length", "chunked"])
def test_body_that_breaks_off_never_looks_complete(
    adapter: GatewayAdapter, upstream: FakeStreamlit, length: int | None
) -> None:
    def body() -> Iterator[bytes]:
        yield b"abc"
        raise BodyAborted

    with pytest.raises(BodyAborted):
        adapter.send(post(body(), length))

    request = upstream.sinks.get(timeout=10)
    assert (request.body, request.complete) == (b"abc", False)


def test_answer_before_the_body_has_ended(serve: Serve, adapters: Adapters) -> None:
    """The rest isn't wanted, and the connection reset; the answer is passed on."""

    def body() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    response = adapters(serve(answering(refusal))).send(post(body()))

    assert response.status_code == 413
    assert read(response) == b"no"


def test_answer_of_a_server_that_does_not_read_on(
    adapter: GatewayAdapter, upstream: FakeStreamlit
) -> None:
    """It's passed on, and the connection is left with the rest of the body."""

    def body() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    request = GatewayRequest("POST", "/refuse", [("Host", "h")], body(), None)
    response = adapter.send(request)

    assert response.status_code == 413
    assert read(response) == b"refused"
    assert read(adapter.send(get("/status/200"))) == b"status"
    assert [request.connection for request in upstream.requests] == [1, 2]


@pytest.mark.parametrize("first", [b"HTTP/1.1 103 Early Hints\r\n\r\n", OK], ids=["103", "200"])
def test_answer_that_does_not_refuse_the_body(
    serve: Serve, adapters: Adapters, first: bytes
) -> None:
    size = 20_000_000
    received: queue.Queue[int] = queue.Queue()

    def handle(stream: Stream) -> None:
        stream.read_until(b"\r\n\r\n")
        stream.sock.sendall(first)
        received.put(sum(map(len, stream.pieces(size))))
        stream.sock.sendall(OK)

    response = adapters(serve(handle)).send(post(pattern(size), size))

    assert (response.status_code, read(response)) == (200, b"ok")
    assert received.get(timeout=10) == size


def ended(stream: Stream) -> None:
    """End a connection after one answer, as soon as the next request is there."""
    answering(OK)(stream)
    stream.read_until(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_stale_connection_is_replaced(serve: Serve, adapters: Adapters, method: str) -> None:
    adapter = adapters(serve(ended, answering(OK)))
    read(adapter.send(get("/")))

    response = adapter.send(get("/", method=method))

    assert read(response) == (b"" if method == "HEAD" else b"ok")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(get("/", method="POST"), id="not idempotent"),
        pytest.param(GatewayRequest("PUT", "/", [("Host", "h")], [b"x"], 1), id="body"),
    ],
)
def test_request_that_may_not_be_repeated(
    serve: Serve, adapters: Adapters, request_: GatewayRequest
) -> None:
    adapter = adapters(serve(ended))
    read(adapter.send(get("/")))

    with pytest.raises(UpstreamProtocolError, match="closed the connection"):
        adapter.send(request_)


def test_request_that_was_half_answered_is_not_repeated(serve: Serve, adapters: Adapters) -> None:
    adapter = adapters(serve(answering(OK, b"HTTP/1.1 200")))
    read(adapter.send(get("/")))

    with pytest.raises(UpstreamProtocolError, match="closed the connection"):
        adapter.send(get("/"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200", id="more"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", id="close"
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="HTTP/1.0"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="two framings",
        ),
    ],
)
def test_connection_that_is_not_used_again(serve: Serve, adapters: Adapters, answer: bytes) -> None:
    def kept(stream: Stream) -> None:
        answering(answer)(stream)
        stream.read_until(b"\r\n\r\n")  # it would be taken for another request

    adapter = adapters(serve(kept, answering(OK)))
    adapter.send(get("/")).content  # noqa: B018 # it's read by that

    assert read(adapter.send(get("/"))) == b"ok"


def test_only_one_more_try(serve: Serve, adapters: Adapters) -> None:
    adapter = adapters(serve(ended, answering(b"")))
    read(adapter.send(get("/")))

    with pytest.raises(UpstreamProtocolError, match="closed the connection"):
        adapter.send(get("/"))


def test_new_connection_that_closes_is_not_tried_again(
    adapter: GatewayAdapter, upstream: FakeStreamlit
) -> None:
    with pytest.raises(UpstreamProtocolError, match="closed the connection"):
        adapter.send(get("/nothing"))

    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 abc\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", id="long line"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", id="switch nobody asked for"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", id="negative length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", id="coding"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", id="folded line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", id="NUL"),
        pytest.param(b"HTTP/1.1 200 \1\r\n\r\n", id="control character in the reason"),
        pytest.param(b"HTTP/1.1 103 Hints\r\n\r\n" * 33 + OK, id="flood of interim ones"),
    ],
)
def test_answer_that_is_none(serve: Serve, adapters: Adapters, answer: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="no valid answer"):
        adapters(serve(answering(answer))).send(get("/"))


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(get("/a b"), id="target"),
        pytest.param(get("/", ("X-A", "b\r\nX-C: d")), id="field"),
    ],
)
def test_request_that_is_none(adapter: GatewayAdapter, request_: GatewayRequest) -> None:
    with pytest.raises(UpstreamProtocolError):
        adapter.send(request_)


def test_nobody_there(refused: tuple[str, int], adapters: Adapters) -> None:
    with pytest.raises(UpstreamUnavailable):
        adapters(refused).send(get("/"))


def test_silence(silent: tuple[str, int], adapters: Adapters) -> None:
    with pytest.raises(UpstreamTimeout, match="gateway_upstream_read_timeout_s"):
        adapters(silent, read_timeout=0.05).send(get("/"))


def test_server_that_reads_nothing(silent: tuple[str, int], adapters: Adapters) -> None:
    size = 50_000_000

    with pytest.raises(UpstreamTimeout, match="gateway_upstream_read_timeout_s"):
        adapters(silent, read_timeout=0.05).send(post(pattern(size), size))


def test_close(adapter: GatewayAdapter, upstream: FakeStreamlit) -> None:
    read(adapter.send(get("/")))

    adapter.close()

    read(adapter.send(get("/")))
    assert [request.connection for request in upstream.requests] == [1, 2]
