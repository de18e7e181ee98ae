from __future__ import annotations

import contextlib
import io
import os
import socket
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import flask
import pydantic
import pytest
import requests
from requests.adapters import BaseAdapter
from werkzeug.serving import make_server

from fluxsync.telemetry.requestid import using_request_id
from fluxsync.upstream import client as client_module
from fluxsync.upstream.client import API_BASE_VARIABLE, ApiClient, shared_client
from tests.support.http import Stream
from tests.support.upstream import FakeStreamlit

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client(upstream: FakeStreamlit) -> Iterator[ApiClient]:
    with ApiClient(f"{upstream.url}/api/", default_headers={"X-A": "1", "X-B": "1"}) as client:
        yield client


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options"])
def test_methods(client: ApiClient, upstream: FakeStreamlit, method: str) -> None:
    response = getattr(client, method)("/users", params={"a": "b"})

    [request] = upstream.requests
    assert response.status_code == 200
    assert (request.method, request.target) == (method.upper(), "/api/users?a=b")


def test_body(client: ApiClient, upstream: FakeStreamlit) -> None:
    client.post("users", json={"a": 1})

    assert upstream.requests[0].body == b'{"a": 1}'


def test_headers(client: ApiClient, upstream: FakeStreamlit) -> None:
    client.get("/", headers={"X-B": "2"})

    [request] = upstream.requests
    assert (request.get("X-A"), request.get("X-B")) == ("1", "2")


def test_users_do_not_share_cookies(upstream: FakeStreamlit) -> None:
    with ApiClient(upstream.url) as client:
        assert "Set-Cookie" in client.get("/set-cookie").headers
        client.get("/echo")

    assert "Cookie" not in upstream.requests[-1].head


def test_environment_is_not_asked(
    client: ApiClient, upstream: FakeStreamlit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert client.get("/").status_code == 200


def test_time_is_limited(upstream: FakeStreamlit) -> None:
    with ApiClient(upstream.url, timeout=0.05) as client:
        # Or, on a busy machine, for the connection already.
        with pytest.raises(requests.Timeout):
            client.get("/slow/60")
        upstream.release.set()
        assert client.get("/slow/60", timeout=None).status_code == 200


def test_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_BASE_VARIABLE, raising=False)
    with ApiClient() as client:
        assert client.base_url == "http://127.0.0.1:8000/api"

    monkeypatch.setenv(API_BASE_VARIABLE, "http://127.0.0.1:9/v1/")
    with ApiClient() as client:
        assert client.base_url == "http://127.0.0.1:9/v1"


def test_shared_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_shared", None)

    with shared_client() as client:
        assert shared_client() is client


def test_path_that_is_refused(client: ApiClient) -> None:
    with pytest.raises(ValueError, match="leads out of the API"):
        client.get("/../healthz")
    with pytest.raises(ValueError, match="is a URL"):
        client.post("http://evil.example/")


def test_order_of_headers(upstream: FakeStreamlit) -> None:
    """What comes later wins, however the name is written."""
    with ApiClient(
        upstream.url,
        default_headers={"x-a": "default", "X-B": "default", "X-C": "default"},
        auth_header_factory=lambda: {"X-b": "factory", "x-C": "factory"},
    ) as client:
        client.get("/", headers={"X-c": "call", "User-Agent": "me"})

    [request] = upstream.requests
    found = [(name, value) for name, value in request.headers if name.lower().startswith("x-")]
    assert {(name.lower(), value) for name, value in found} == {
        ("x-a", "default"),
        ("x-b", "factory"),
        ("x-c", "call"),
    }
    assert len(found) == 3
    assert request.get("User-Agent") == "me"


def test_factory_is_asked_each_time(upstream: FakeStreamlit) -> None:
    tokens = iter(("a", "b"))
    with ApiClient.for_fluxsync(
        base_url=upstream.url, auth_header_factory=lambda: {"Authorization": next(tokens)}
    ) as client:
        client.get("/")
        client.get("/")

    assert [request.get("Authorization") for request in upstream.requests] == ["a", "b"]


def test_bearer(upstream: FakeStreamlit) -> None:
    """A derived client has all of the first one but the token, and goes its own ways."""
    parent = ApiClient.for_fluxsync(
        base_url=upstream.url, bearer_token="one", default_headers={"X-A": "1"}, timeout=20
    )
    with parent, parent.with_bearer("two") as child:
        child.get("/")
        parent.get("/")
        child.close()
        parent.get("/")

    tokens = [request.get("Authorization") for request in upstream.requests]
    assert tokens == ["Bearer two", "Bearer one", "Bearer one"]
    assert [request.get("X-A") for request in upstream.requests] == ["1"] * 3
    assert len({request.connection for request in upstream.requests}) == 1


def test_bearer_keeps_what_else_the_factory_says(upstream: FakeStreamlit) -> None:
    first = ApiClient(
        upstream.url, auth_header_factory=lambda: {"X-Tenant": "t", "authorization": "Basic x"}
    )
    with first.with_bearer("two") as client:
        client.get("/")

    [request] = upstream.requests
    values = [value for name, value in request.headers if name.lower() == "authorization"]
    assert (values, request.get("X-Tenant")) == (["Bearer two"], "t")


def test_both_ways_to_log_in() -> None:
    with pytest.raises(TypeError, match="bearer_token or auth_header_factory, not both"):
        ApiClient.for_fluxsync(bearer_token="a", auth_header_factory=dict)


@pytest.mark.parametrize("token", ["", "se cret", "secret\r\nX: y", "secret\n", "sécret"])
def test_token_that_cannot_be_sent(token: str) -> None:
    """It's not shown."""
    with pytest.raises(ValueError, match=r"^bearer_token='\*\*\*': expected") as caught:
        ApiClient.for_fluxsync(bearer_token=token)
    assert "cret" not in str(caught.value)
    with ApiClient("http://h") as client, pytest.raises(ValueError, match="bearer_token"):
        client.with_bearer(token)


def test_token_that_is_none() -> None:
    with (
        ApiClient("http://h") as client,
        pytest.raises(ValueError, match=r"^bearer_token='...': expected"),
    ):
        client.with_bearer(t.cast("t.Any", None))


def test_headers_that_are_no_mapping() -> None:
    client = ApiClient("http://h", auth_header_factory=lambda: t.cast("t.Any", "secret"))
    with (
        client,
        pytest.raises(TypeError, match=r"^header fields: expected names and values, not a str$"),
    ):
        client.get("/")


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ({"X-A": "secret\r\nX-B: 1"}, "header 'X-A': expected a value"),
        ({"X-A": "secret\u20ac"}, "header 'X-A': expected a value"),
        ({"X A": "secret"}, "header 'X A': expected a name"),
        ({"X-A:": "secret"}, "header 'X-A:': expected a name"),
    ],
)
def test_header_that_cannot_be_sent(headers: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        ApiClient("http://h", default_headers=headers)
    assert "secret" not in str(caught.value)
    with ApiClient("http://h") as client, pytest.raises(ValueError, match=complaint):
        client.get("/", headers=headers)


def test_request_id(upstream: FakeStreamlit) -> None:
    with (
        ApiClient(upstream.url, propagate_request_id=True) as client,
        ApiClient(upstream.url) as other,
    ):
        client.get("/")
        with using_request_id("run-1"):
            client.get("/")
            client.get("/", headers={"x-request-id": "mine"})
            other.get("/")
        client.get("/")

    ids = [request.get("X-Request-Id") for request in upstream.requests]
    assert ids == ["", "run-1", "mine", "", ""]


def test_many_clients_have_one_connection(upstream: FakeStreamlit) -> None:
    with ApiClient(upstream.url) as first:
        for _ in range(20):
            ApiClient(upstream.url).get("/")
        first.get("/")

    assert len({request.connection for request in upstream.requests}) == 1


def test_many_threads(upstream: FakeStreamlit) -> None:
    with ApiClient(upstream.url) as client, ThreadPoolExecutor(16) as threads:
        targets = [f"/{number}" for number in range(160)]
        assert {r.status_code for r in threads.map(client.get, targets)} == {200}

    assert sorted(request.target for request in upstream.requests) == sorted(targets)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that there are threads
def test_fork(upstream: FakeStreamlit) -> None:
    """A child makes connections of its own, even if the parent's are in use."""
    with ApiClient(upstream.url) as client:
        client.get("/parent")
        pid = os.fork()
        if not pid:
            try:
                with client:
                    client.get("/child")
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        client.get("/parent")

    by_target = {request.target: request.connection for request in upstream.requests}
    assert len(by_target) == 2
    assert by_target["/child"] != by_target["/parent"]
    assert len({r.connection for r in upstream.requests if r.target == "/parent"}) == 1


def test_stream(upstream: FakeStreamlit) -> None:
    """The first pieces come before the last ones are there; then the connection is free again."""
    with ApiClient(upstream.url) as client:
        with client.stream("GET", "/gated/2") as response:
            pieces = response.iter_content(None)
            upstream.gate.release()
            first = next(pieces)
            upstream.gate.release()
            rest = b"".join(pieces)
        client.get("/")

    assert first
    assert rest
    assert len({request.connection for request in upstream.requests}) == 1


def test_stream_that_is_left(upstream: FakeStreamlit) -> None:
    with ApiClient(upstream.url) as client:
        with client.stream("GET", "/gated/2") as response:
            upstream.gate.release()
            next(response.iter_content(None))
        upstream.gate.release()
        assert client.get("/").status_code == 200

    assert len({request.connection for request in upstream.requests}) == 2


def test_files(upstream: FakeStreamlit) -> None:
    with ApiClient(upstream.url) as client:
        client.post("/upload", files={"file": ("a.txt", b"hello", "text/plain")})

    [request] = upstream.requests
    assert str(request.get("Content-Type")).startswith("multipart/form-data; boundary=")
    assert b'filename="a.txt"' in request.body
    assert b"hello" in request.body


class Redirecting(BaseAdapter):
    """Redirects ``/api/from`` to where it's told, and says what it's asked."""

    def __init__(self, location: str, status: int) -> None:
        super().__init__()
        self.location = location
        self.status = status
        self.asked: list[requests.PreparedRequest] = []

    def send(
        self, request: requests.PreparedRequest, *args: object, **kwargs: object
    ) -> requests.Response:
        self.asked.append(request)
        response = requests.Response()
        response.url, response.request = str(request.url), request
        response.raw = io.BytesIO(b"")
        response.status_code = 200
        if "/from" in str(request.url):
            response.status_code = self.status
            response.headers["Location"] = self.location
        return response

    def close(self) -> None: ...


@pytest.mark.parametrize("location", ["/api/to", "to", "http://h/api/to", "//h:80/api/to"])
def test_redirect_within_the_api(location: str) -> None:
    adapter = Redirecting(location, 307)
    with ApiClient("http://h/api", adapter=adapter) as client:
        response = client.with_bearer("t").put("/from", data=b"x")

    assert response.status_code == 200
    assert [request.body for request in adapter.asked] == [b"x", b"x"]
    assert adapter.asked[1].headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/api/to",
        "//evil.example/api/to",
        "/login",
        "../x",
        "/api/../x",
        "https://h/api/to",
        "http://u:p@h/api/to",
        "http://[",
    ],
)
def test_redirect_out_of_the_api(location: str) -> None:
    """It's returned as it is; for who wants a model, it's an error."""
    adapter = Redirecting(location, 302)
    with ApiClient("http://h/api", adapter=adapter).with_bearer("t") as client:
        assert client.get("/from").headers["Location"] == location
        with pytest.raises(requests.HTTPError, match=r"^GET /from: 302 Found$"):
            client.get_model("/from?token=secret", dict)

    assert len(adapter.asked) == 2


class Lossy:
    """A server that closes the second connection or request as it is told to.

    :param answers: How many requests are answered on each connection, in their order.
    """

    def __init__(self, *answers: int) -> None:
        self.answers = answers
        self.heads: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sock: socket.socket | None = None
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> Lossy:
        self.thread.start()
        return self

    def run(self) -> None:
        for count in self.answers:
            self.sock, _ = self.listener.accept()
            with self.sock as sock:
                stream = Stream(sock)
                for _ in range(count):
                    self.heads.append(stream.read_until(b"\r\n\r\n") or b"")
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                # The next one comes, and gets no answer.
                self.heads.append(stream.read_until(b"\r\n\r\n") or b"")

    def __exit__(self, *exc_info: object) -> None:
        self.listener.close()
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()


def test_lost_request_is_repeated_once() -> None:
    with Lossy(1, 1) as server, ApiClient(server.url) as client:
        assert client.get("/1").text == "ok"
        assert client.get("/2").text == "ok"

    assert [head.split()[1] for head in server.heads[:3]] == [b"/1", b"/2", b"/2"]


def test_lost_post_is_not_repeated() -> None:
    with Lossy(1) as server, ApiClient(server.url) as client:
        assert client.get("/1").text == "ok"
        with pytest.raises(requests.ConnectionError):
            client.post("/2")

    assert [head.split()[0] for head in server.heads] == [b"GET", b"POST"]


class User(pydantic.BaseModel):
    name: str
    age: int = 0


@pytest.fixture
def api() -> Iterator[ApiClient]:
    """A client of a Flask application that keeps what it's sent."""
    application = flask.Flask("api")

    @application.route("/api/users", methods=["GET", "POST", "PUT", "PATCH"])
    def users() -> t.Any:
        if flask.request.method == "GET":
            return [{"name": "Ada", "age": 36}]
        return {**flask.request.get_json(), "age": 7}

    @application.get("/api/missing")
    def missing() -> t.Any:
        problem = {"title": "Not Found", "detail": "there is\nno such user"}
        return problem, 404, {"Content-Type": "application/problem+json"}

    @application.get("/api/text")
    def text() -> t.Any:
        return "hello"

    @application.get("/api/odd")
    def odd() -> t.Any:
        deep = "[" * 100000
        texts = {"loc": '{"detail": [{"loc": 5, "msg": ["a"]}, 7]}', "deep": f'{{"detail": {deep}'}
        text = texts[flask.request.args["what"]]
        return text, 422, {"Content-Type": "application/json"}

    @application.get("/api/fail")
    def fail() -> t.Any:
        return "a traceback with secrets", 500

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with ApiClient(f"http://127.0.0.1:{server.server_port}/api") as client:
        yield client
    server.shutdown()
    thread.join()
    server.server_close()


def test_models(api: ApiClient) -> None:
    assert api.get_model("/users", list[User]) == [User(name="Ada", age=36)]
    assert api.post_model("/users", User, body=User(name="Grace")) == User(name="Grace", age=7)
    assert api.put_model("/users", User, json={"name": "Grace"}).name == "Grace"
    assert api.patch_model("/users", dict, body={"name": date(2026, 1, 2)})["name"] == "2026-01-02"


def test_models_that_do_not_fit(api: ApiClient) -> None:
    with pytest.raises(ValueError, match=r"^GET /users: not a User: Input should be .*$"):
        api.get_model("/users", User)
    with pytest.raises(ValueError, match=r"^GET /users: not a list.*: 0\.secret: Field required$"):
        api.get_model("/users?token=abc", list[Secret])
    with pytest.raises(ValueError, match=r"^GET /text: not a User: Invalid JSON"):
        api.get_model("/text", User)
    with pytest.raises(TypeError, match="one of them only"):
        api.post_model("/users", User, body={}, json={})


class Secret(pydantic.BaseModel):
    secret: str


def test_errors_of_the_api(api: ApiClient) -> None:
    with pytest.raises(requests.HTTPError) as caught:
        api.get_model("/missing?token=abc", User)
    error = caught.value
    assert str(error) == "GET /missing: 404 Not Found: there is no such user"
    assert error.response is not None
    assert error.response.status_code == 404
    for what, told in (("loc", r": \['a'\]"), ("deep", "")):
        with pytest.raises(requests.HTTPError, match=rf"^GET /odd: 422 [A-Z]\w+ [A-Z]\w+{told}$"):
            api.get_model(f"/odd?what={what}", User)
    with pytest.raises(requests.HTTPError, match=r"^GET /fail: 500 Internal Server Error$"):
        api.get_model("/fail", User)
