from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import io
import os
import threading
import types
import typing as t

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi import Response as ApiResponse
from fastapi.responses import StreamingResponse
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from fluxsync.api.asgi import AsgiApplication, build_scope
from fluxsync.api.exchange import Response
from tests.support.waiting import eventually

current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="none")


class Api:
    """A FastAPI application, and what it has seen."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.go_on = threading.Event()
        api = self.application = FastAPI(lifespan=self.lifespan)

        @api.api_route("/scope/{rest:path}", methods=["GET", "HEAD"])
        def scope(rest: str, request: Request) -> dict[str, t.Any]:
            found = request.scope
            return {
                "rest": rest,
                "raw_path": found["raw_path"].decode(),
                "root_path": found["root_path"],
                "query": found["query_string"].decode(),
                "state": request.state.number,
                "client": found["client"],
                "current": current.get(),
            }

        @api.get("/cookies")
        def cookies(response: ApiResponse) -> None:
            response.set_cookie("a", "1")
            response.set_cookie("b", "2")

        @api.get("/boom")
        def boom() -> None:
            raise ZeroDivisionError

        @api.get("/late-boom")
        def late_boom() -> StreamingResponse:
            def stream() -> t.Iterator[bytes]:
                yield b"begin"
                raise ZeroDivisionError

            return StreamingResponse(stream())

        @api.get("/background")
        async def background(tasks: BackgroundTasks) -> str:
            async def work() -> None:
                await asyncio.to_thread(self.go_on.wait)
                self.events.append("worked")

            tasks.add_task(work)
            return "at once"

        @api.post("/body")
        async def body(request: Request) -> int:
            return len(await request.body())

        @api.get("/endless")
        async def endless() -> StreamingResponse:
            async def stream() -> t.AsyncIterator[bytes]:
                try:
                    for _ in range(20):
                        yield b"x" * 1000
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    self.events.append("ended")
                    raise

            return StreamingResponse(stream())

        @api.get("/exit")
        async def leave() -> None:
            raise SystemExit(3)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: FastAPI) -> t.AsyncIterator[dict[str, int]]:
        self.events.append(f"begun in {os.getpid()}")
        yield {"number": 7}
        self.events.append("over")


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def mounted(api: Api) -> t.Iterator[AsgiApplication]:
    application = AsgiApplication(api.application)
    yield application
    api.go_on.set()
    application.end(20.0)


@pytest.fixture
def client(mounted: AsgiApplication) -> Client:
    return Client(LintMiddleware(mounted))


def test_nothing_runs_before_the_first_request(api: Api) -> None:
    before = threading.active_count()
    AsgiApplication(api.application)

    assert threading.active_count() == before
    assert api.events == []


def test_lifespan(api: Api, mounted: AsgiApplication, client: Client) -> None:
    for _ in range(3):
        with client.get("/scope/") as response:
            assert response.get_json()["state"] == 7
    mounted.end(20.0)

    assert api.events == [f"begun in {os.getpid()}", "over"]


def test_another_process_has_a_lifespan_of_its_own(
    api: Api, mounted: AsgiApplication, client: Client
) -> None:
    client.get("/scope/").close()
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            status = client.get("/scope/").status_code
            os.write(writer, f"{status} {api.events[-1] == f'begun in {os.getpid()}'}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader) as stream:
        assert stream.read() == "200 True"


def test_scope(client: Client) -> None:
    url = "http://localhost/pre/api"
    with client.get("/scope/%E6%97%A5/%C3%A9?q=%C3%BC&q", base_url=url) as response:
        found = response.get_json()

    assert found["rest"] == "日/é"
    assert found["root_path"] == "/pre/api"
    assert found["raw_path"] == "/pre/api/scope/%E6%97%A5/%C3%A9"
    assert found["query"] == "q=%C3%BC&q"


def test_raw_target_behind_a_proxy_that_strips(client: Client) -> None:
    environ = EnvironBuilder("/scope/a", base_url="http://localhost/pre/api").get_environ()
    environ["REQUEST_URI"] = "/api/scope/a"
    with client.open(environ) as response:
        assert response.get_json()["raw_path"] == "/pre/api/scope/a"


def test_bytes_that_are_no_text() -> None:
    environ = EnvironBuilder("/").get_environ()
    environ.update(PATH_INFO="/scope/\xff", QUERY_STRING="\xff", REMOTE_ADDR="10.0.0.1")
    scope = build_scope(environ)

    assert scope["path"] == "/scope/\ufffd"
    assert scope["query_string"] == b"\xff"
    assert scope["client"] == ("10.0.0.1", 0)


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_port_that_is_none(scheme: str, port: int) -> None:
    """gunicorn's, on a Unix socket: what is behind a colon in Host, or nothing."""
    environ = EnvironBuilder("/", base_url=f"{scheme}://[::1]:7/").get_environ()
    environ.update(SERVER_NAME="[", SERVER_PORT="")

    assert build_scope(environ)["server"] == ("[", port)


def test_context(client: Client) -> None:
    def get() -> str:
        current.set("mine")
        with client.get("/scope/") as response:
            return str(response.get_json()["current"])

    assert contextvars.copy_context().run(get) == "mine"
    with client.get("/scope/") as response:
        assert response.get_json()["current"] == "none"


def test_cookies(client: Client) -> None:
    with client.get("/cookies") as response:
        assert len(response.headers.getlist("Set-Cookie")) == 2


def test_head(mounted: AsgiApplication) -> None:
    with Client(mounted).head("/scope/") as response:
        assert response.status_code == 200
        assert int(response.headers["Content-Length"]) > 50
        assert response.data == b""


@pytest.mark.parametrize("path", ["/boom", "/exit"])
def test_failure(client: Client, caplog: pytest.LogCaptureFixture, path: str) -> None:
    with client.get(path) as response:
        assert response.status_code == 500
        assert response.data
    eventually(lambda: caplog.records, 20)
    assert [bool(record.exc_info) for record in caplog.records] == [True]
    with client.get("/scope/") as response:
        assert response.status_code == 200


def test_failure_in_the_middle(mounted: AsgiApplication) -> None:
    """The response doesn't end as if it were complete."""
    body = mounted(EnvironBuilder("/late-boom").get_environ(), lambda *_: t.cast(t.Any, None))
    with pytest.raises(ZeroDivisionError):
        list(body)
    t.cast(t.Any, body).close()


def test_background_tasks_hold_up_nobody(api: Api, client: Client) -> None:
    with client.get("/background") as response:
        assert response.get_json() == "at once"
        assert "worked" not in api.events
    api.go_on.set()
    eventually(lambda: "worked" in api.events, 20)


def test_end_waits_for_background_tasks(api: Api, mounted: AsgiApplication, client: Client) -> None:
    with client.get("/background") as response:
        assert response.data
    api.go_on.set()
    mounted.end(20.0)

    assert api.events[1:] == ["worked", "over"]


def test_error_that_a2wsgi_loses() -> None:
    """As it does when the application fails right behind a piece."""
    exchange: t.Any = types.SimpleNamespace(is_complete=False, error=None)
    with pytest.raises(RuntimeError, match="broke off"):
        list(Response(iter([b"piece"]), exchange))


class Trickle(io.RawIOBase):
    """A body that is cut off."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int = -1) -> bytes:
        data, self.data = self.data[:size], self.data[size:]
        return data


@pytest.mark.parametrize("size", [0, 1, 65536, 200_000])
def test_body(client: Client, size: int) -> None:
    with client.post("/body", data=b"x" * size) as response:
        assert response.get_json() == size


def test_body_in_chunks(mounted: AsgiApplication) -> None:
    environ = EnvironBuilder("/body", method="POST").get_environ()
    environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    environ["wsgi.input"] = Trickle(b"x" * 100_000)
    _, status, _ = run_wsgi_app(mounted, environ.copy())
    assert status.startswith("411")
    environ["wsgi.input_terminated"] = True
    body, status, _ = run_wsgi_app(mounted, environ, buffered=True)
    assert (status, b"".join(body)) == ("200 OK", b"100000")


def test_cut_off_body(mounted: AsgiApplication) -> None:
    """It never looks like a complete one, and the thread comes back."""
    environ = EnvironBuilder("/body", method="POST").get_environ()
    environ.update(CONTENT_LENGTH="1000")
    environ["wsgi.input"] = Trickle(b"x" * 999)
    body = mounted(environ, lambda *_: t.cast(t.Any, None))
    with pytest.raises(OSError, match="gone") as error:
        list(body)
    assert error.value.errno == errno.ECONNRESET
    t.cast(t.Any, body).close()


def test_client_that_leaves() -> None:
    left = threading.Event()

    async def call(send: t.Any) -> None:
        await send(START)
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except OSError:
            left.set()

    application = plain(call)
    body = application(EnvironBuilder("/").get_environ(), lambda *_: t.cast(t.Any, None))
    pieces = iter(body)
    assert [next(pieces) for _ in range(3)] == [b"", b"x", b"x"]
    t.cast(t.Any, body).close()

    assert left.wait(20)
    application.end(20.0)


def test_response_that_nobody_reads(api: Api, mounted: AsgiApplication) -> None:
    body = mounted(EnvironBuilder("/endless").get_environ(), lambda *_: t.cast(t.Any, None))
    t.cast(t.Any, body).close()

    mounted.end(1.0)
    assert "ended" not in api.events


def test_end_during_a_response(api: Api, mounted: AsgiApplication) -> None:
    body = mounted(EnvironBuilder("/endless").get_environ(), lambda *_: t.cast(t.Any, None))
    errors: list[BaseException] = []

    def read() -> None:
        try:
            list(body)
        except RuntimeError as e:
            errors.append(e)

    thread = threading.Thread(target=read)
    thread.start()
    eventually(lambda: mounted._process and mounted._process.tasks, 20)
    mounted.end(1.0)
    thread.join(20)

    assert not thread.is_alive()
    assert len(errors) == 1
    t.cast(t.Any, body).close()


def test_websocket(client: Client) -> None:
    with client.get("/scope/", headers={"Upgrade": "websocket"}) as response:
        assert response.status_code == 501
        assert "app.websocket()" in response.get_json()["detail"]


def plain(call: t.Callable[[t.Any], t.Any]) -> AsgiApplication:
    async def application(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await call(send)

    return AsgiApplication(application)


START: dict[str, t.Any] = {"type": "http.response.start", "status": 200}


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="none"),
        pytest.param([{"type": "http.response.body"}], id="body first"),
        pytest.param([{"type": "http.nonsense"}], id="unknown"),
    ],
)
def test_wrong_messages(messages: list[dict[str, t.Any]]) -> None:
    async def call(send: t.Any) -> None:
        for message in messages:
            await send(message)

    application = plain(call)
    with Client(LintMiddleware(application)).get("/") as response:
        assert response.status_code == 500
    application.end(20.0)


@pytest.mark.parametrize(
    "last",
    [
        pytest.param([], id="no end"),
        pytest.param([START], id="two beginnings"),
    ],
)
def test_response_without_end(last: list[dict[str, t.Any]]) -> None:
    async def call(send: t.Any) -> None:
        for message in [START, *last]:
            await send(message)

    application = plain(call)
    body = application(EnvironBuilder("/").get_environ(), lambda *_: t.cast(t.Any, None))
    with pytest.raises(RuntimeError):
        list(body)
    t.cast(t.Any, body).close()
    application.end(20.0)


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("GET", 304)])
def test_response_shorter_than_its_length(method: str, status: int) -> None:
    """It breaks off; else, the client takes the next response for the rest."""

    async def call(send: t.Any) -> None:
        headers = [(b"content-length", b"5")]
        await send({**START, "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"abc" if status == 200 else b""})

    application = plain(call)
    environ = EnvironBuilder("/", method=method).get_environ()
    body = application(environ, lambda *_: t.cast(t.Any, None))
    if (method, status) == ("GET", 200):
        with pytest.raises(RuntimeError, match="shorter than its Content-Length"):
            list(body)
    else:
        assert b"".join(body) == b""
    t.cast(t.Any, body).close()
    application.end(20.0)


def test_fields_of_a_hop() -> None:
    """WSGI servers refuse them."""

    async def call(send: t.Any) -> None:
        headers = [(b"connection", b"close"), (b"Transfer-Encoding", b"chunked"), (b"x-a", b"b")]
        await send({**START, "headers": headers})
        await send({"type": "http.response.body", "body": b"text"})

    application = plain(call)
    with Client(application).get("/") as response:
        assert list(response.headers) == [("x-a", "b")]
        assert response.data == b"text"
    application.end(20.0)
