from __future__ import annotations

import io
import logging
import socket
import typing as t

import pytest
from gunicorn.http.wsgi import FileWrapper

from fluxsync.bridges.sockets import find_socket
from fluxsync.gateway.bodies import CheckedInput
from fluxsync.gateway.calls import CALL
from fluxsync.gateway.reading import ClientInput
from tests.support import parsed
from tests.support.inprocess import Site, flask_api

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

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


def checked(data: bytes, length: int | None, most: int) -> CheckedInput:
    stream = ClientInput({"wsgi.input": io.BytesIO(data)}, None)
    return CheckedInput(stream, length, most)


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
def test_ways_to_read(read: t.Callable[[CheckedInput], bytes]) -> None:
    data = b"ab\ncdefgh\ni"

    for whole in (checked(data, None, len(data)), checked(data, None, 0), checked(data, 11, 0)):
        assert read(whole) == data
        assert whole.is_over
    assert read(checked(data + b"next", 11, 0)) == data
    over = checked(data, None, len(data) - 1)
    with pytest.raises(Exception, match="larger than 10 bytes"):
        read(over)
    with pytest.raises(Exception, match="larger than 10 bytes"):
        over.read(1)
    assert over.failure is not None
    assert over.failure.status == 413
    short = checked(data, 12, 0)
    with pytest.raises(OSError, match="broke off"):
        read(short)
    with pytest.raises(OSError, match="broke off"):
        short.read(1)


def test_the_connection_is_found_below(client: parsed.Client) -> None:
    """Of a server that shows it in no other way, by those who look whether the client is there."""
    with client.theirs.makefile("rb") as stream:
        body = CheckedInput(ClientInput({"wsgi.input": stream}, None), None, 0)
        assert find_socket({"wsgi.input": body}) is client.theirs


def test_lines_up_to_a_hint() -> None:
    assert checked(b"a\nb\nc\n", None, 10).readlines(3) == [b"a\n", b"b\n"]


LOST = {
    "silent": (parsed.LENGTH % 900_000 + b"abc", False, 408),
    "silent in a chunk": (parsed.CHUNKED + b"3\r\nab", False, 408),
    "gone": (parsed.LENGTH % 900_000 + b"abc", True, 400),
    "gone in a chunk": (parsed.CHUNKED + b"3\r\nab", True, 400),
    "gone between chunks": (parsed.CHUNKED + b"3\r\nabc\r\n", True, 400),
    "malformed chunk": (parsed.CHUNKED + b"3\r\nabc\r\nxyz\r\n", False, 400),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sent", "is_gone", "status"), LOST.values(), ids=LOST)
def test_bodies_that_break_off(
    client: parsed.Client,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    sent: bytes,
    is_gone: bool,
    status: int,
) -> None:
    """Whatever kind of API it is, and whatever it makes of it."""
    caplog.set_level(logging.INFO)
    server = client.send(sent, b"/api/length")
    if is_gone:
        client.ours.shutdown(socket.SHUT_WR)
    with Site(KINDS[kind], gateway_client_timeout_s=0.05) as site:
        body = site.gateway(server.environ, server.response.start_response)
        problem = b"".join(body)
        t.cast("t.Any", body).close()

    assert server.response.status_code == status
    assert b"the request's body" in problem
    assert is_gone or server.closes
    (line,) = [record for record in caplog.records if record.name.startswith("fluxsync")]
    assert line.getMessage() == f"POST /api/length {status}"


def test_call_of_a_page_that_breaks_off(client: parsed.Client) -> None:
    server = client.send(parsed.CHUNKED + b"3\r\nab", b"/api/length")
    client.ours.shutdown(socket.SHUT_WR)
    with Site() as site:
        environ = {**server.environ, CALL: True}
        t.cast("t.Any", site.gateway(environ, server.response.start_response)).close()

    assert server.response.status_code == 400


def test_bodies_that_are_here_are_left_alone(client: parsed.Client) -> None:
    """Most are, and needn't be watched."""
    seen = []

    def api(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ["wsgi.input"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [seen[-1].read()]

    server = client.send(parsed.LENGTH % 3 + b"abc", b"/api/length")
    with Site(api) as site:
        body = site.gateway(server.environ, server.response.start_response)
        assert b"".join(body) == b"abc"
        t.cast("t.Any", body).close()

    assert seen == [server.environ["wsgi.input"]]


def test_answers_to_whole_bodies_begin_at_once(client: parsed.Client) -> None:
    """Servers send the head with the first piece, be it empty."""

    def api(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert environ["wsgi.input"].read() == b"abc"
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b""
        raise AssertionError("it was asked for more")

    server = client.send(parsed.CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", b"/api/length")
    with Site(api) as site:
        body = site.gateway(server.environ, server.response.start_response)
        assert next(iter(body)) == b""
        t.cast("t.Any", body).close()


def test_files_stay_files(client: parsed.Client, tmp_path: Path) -> None:
    """They're sent in another way, if the gateway knows them."""
    (tmp_path / "file").write_bytes(b"abc")

    def api(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", "3")])
        wrap: t.Callable[[t.BinaryIO], Iterable[bytes]] = environ["wsgi.file_wrapper"]
        return wrap((tmp_path / "file").open("rb"))

    server = client.send(parsed.CHUNKED + b"0\r\n\r\n", b"/api/length")
    server.environ["wsgi.multithread"] = True
    server.environ["wsgi.file_wrapper"] = FileWrapper
    with Site(api) as site:
        body = site.gateway(server.environ, server.response.start_response)
        assert b"".join(body) == b""  # it has written itself
        t.cast("t.Any", body).close()

    assert client.ours.recv(10) == b"abc"
