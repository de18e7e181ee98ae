from __future__ import annotations

import io
import typing as t

import pytest

from fluxsync.gateway.bodies import LimitedInput
from tests.support.inprocess import Site, flask_api

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.test import TestResponse

    from fluxsync.typing import StartResponse, WSGIEnvironment

CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "", "wsgi.input_terminated": True}
LIMIT: dict[str, t.Any] = {"api_max_request_body_bytes": 10}


def stubborn(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Make something else of an error while it reads."""
    try:
        body = environ["wsgi.input"].read(100)
    except Exception:  # noqa: BLE001 # as applications do
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"oops"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"", str(len(body)).encode()]


def lazy(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read only when the answer is wanted."""
    count = 0
    for line in environ["wsgi.input"]:
        count += len(line)
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield str(count).encode()


async def asynchronous(scope: t.Any, receive: t.Any, send: t.Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    count = 0
    while True:
        message = await receive()
        count += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    head = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": str(count).encode()})


KINDS = {"flask": flask_api(), "wsgi": stubborn, "generator": lazy, "asgi": asynchronous}


def post(site: Site, count: int, environ: dict[str, t.Any]) -> TestResponse:
    length = {} if environ else {"CONTENT_LENGTH": str(count)}
    stream = io.BytesIO(b"x" * count)
    return site.open(
        "/api/length", "POST", input_stream=stream, environ={**length, **environ}, buffered=True
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("environ", [{}, CHUNKED], ids=["length", "chunks"])
def test_limit(kind: str, environ: dict[str, t.Any]) -> None:
    """Whatever kind of API it is, and whatever it makes of it."""
    with Site(KINDS[kind], **LIMIT) as site:
        allowed, refused = post(site, 10, environ), post(site, 11, environ)

    assert (allowed.status_code, allowed.text) == (200, "10")
    assert refused.status_code == 413
    assert refused.content_type == "application/problem+json"
    assert "api_max_request_body_bytes" in t.cast("t.Any", refused.json)["detail"]


def test_announced_bodies_are_not_read() -> None:
    class Unreadable(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("it was read")

    with Site(**LIMIT) as site:
        length = {"CONTENT_LENGTH": "11"}
        response = site.open("/api/length", "POST", input_stream=Unreadable(), environ=length)

    assert response.status_code == 413


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"CONTENT_LENGTH": "1 1"}, id="no number"),
        pytest.param({"CONTENT_LENGTH": "-1"}, id="negative"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "chunked"}, id="chunks that nobody reads"),
        pytest.param({**CHUNKED, "HTTP_TRANSFER_ENCODING": "gzip, chunked"}, id="coding"),
    ],
)
def test_unclear_ends_are_refused(environ: dict[str, t.Any]) -> None:
    with Site(stubborn, **LIMIT) as site:
        assert site.open("/api/length", "POST", environ=environ).status_code == 400


def test_no_limit() -> None:
    with Site() as site:
        assert post(site, 100_000, CHUNKED).text == "100000"


def test_an_answer_that_has_begun_breaks_off() -> None:
    """Nobody takes it for whole."""

    def early(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"begun"
        yield environ["wsgi.input"].read(100)

    with Site(early, **LIMIT) as site:
        assert post(site, 10, CHUNKED).text == "begun" + "x" * 10
        with pytest.raises(Exception, match="api_max_request_body_bytes"):
            post(site, 11, CHUNKED)


def test_errors_of_the_application_are_its_own() -> None:
    closed = []

    class Broken:
        def __iter__(self) -> t.Iterator[bytes]:
            raise RuntimeError("broken")

        def close(self) -> None:
            closed.append(True)

    def broken(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Broken()

    with Site(broken, **LIMIT) as site, pytest.raises(RuntimeError, match="broken"):
        post(site, 1, CHUNKED)
    assert closed == [True]


@pytest.mark.parametrize(
    "read",
    [
        lambda stream: stream.read(),
        lambda stream: stream.read(None),
        lambda stream: b"".join(iter(lambda: stream.read(3), b"")),
        lambda stream: b"".join(stream),
        lambda stream: b"".join(stream.readlines()),
        lambda stream: b"".join(iter(lambda: stream.readline(2), b"")),
    ],
)
def test_ways_to_read(read: t.Callable[[LimitedInput], bytes]) -> None:
    data = b"ab\ncdefgh\ni"

    assert read(LimitedInput(io.BytesIO(data), len(data))) == data
    over = LimitedInput(io.BytesIO(data), len(data) - 1)
    with pytest.raises(Exception, match="larger than 10 bytes"):
        read(over)
    assert over.is_exceeded
    with pytest.raises(Exception, match="larger than 10 bytes"):
        over.read(1)


def test_lines_up_to_a_hint() -> None:
    assert LimitedInput(io.BytesIO(b"a\nb\nc\n"), 10).readlines(3) == [b"a\n", b"b\n"]
