from __future__ import annotations

import json
import threading
import typing as t

import flask
import pytest
from werkzeug.wrappers import Response

from fluxsync import ApiClient, ConfigError, FluxSync, FluxSyncSettings
from fluxsync.testing import Answer, FakeStreamlit, FluxSyncTestClient

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fluxsync.typing import StartResponse, WSGIEnvironment


def make(**kwargs: t.Any) -> FluxSync:
    app = FluxSync(title="Users", **kwargs)
    api: flask.Flask = app.api

    @api.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def echo() -> t.Any:
        return {
            "method": flask.request.method,
            "body": flask.request.get_data(as_text=True),
            "args": flask.request.args.to_dict(),
            "url": flask.url_for("echo", _external=True),
        }

    @api.get("/visits")
    def visits() -> t.Any:
        count = int(flask.request.cookies.get("count", 0)) + 1
        response = flask.make_response(str(count))
        response.set_cookie("count", str(count))
        return response

    @api.get("/lines")
    def lines() -> t.Any:
        return flask.Response(iter(["one\n", "two\n"]))

    return app


@pytest.fixture
def client() -> t.Iterator[FluxSyncTestClient]:
    with FluxSyncTestClient(make()) as client:
        yield client


@pytest.mark.parametrize("path", ["/echo", "echo", "/api/echo", "/echo?a=b"])
def test_paths_are_the_apis(client: FluxSyncTestClient, path: str) -> None:
    response = client.api.get(path)

    assert response.status_code == 200
    assert t.cast("t.Any", response.json)["url"] == "http://localhost/api/echo"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_methods(client: FluxSyncTestClient, method: str) -> None:
    response = getattr(client, f"api_{method}")("/echo", query_string={"a": "b"}, data="x")

    told = response.json
    assert (told["method"], told["args"], told["body"]) == (method.upper(), {"a": "b"}, "x")


def test_json(client: FluxSyncTestClient) -> None:
    told: t.Any = client.api.open(path="/echo", method="POST", json={"a": 1}).json

    assert json.loads(told["body"]) == {"a": 1}


def test_url_as_it_is(client: FluxSyncTestClient) -> None:
    assert client.api.get("http://localhost/api/echo").status_code == 200


def test_cookies_are_of_one_client(client: FluxSyncTestClient) -> None:
    browser = client.api

    assert [browser.get("/visits").text for _ in range(2)] == ["1", "2"]
    assert client.api_get("/visits").text == "1"


def test_answer_in_pieces(client: FluxSyncTestClient) -> None:
    with client.api.get("/lines", buffered=False) as response:
        assert list(response.response) == [b"one\n", b"two\n"]


@pytest.mark.parametrize("path", ["/healthz", "/api/healthz"])
def test_health(client: FluxSyncTestClient, path: str) -> None:
    assert client.http.get(path).json == {"status": "ok"}


@pytest.mark.parametrize("path", ["/", "/reports", "/static/js/index.js", "/_stcore/health"])
def test_there_is_no_streamlit(client: FluxSyncTestClient, path: str) -> None:
    response = client.http.get(path)

    assert response.status_code == 503
    assert "give it streamlit_upstream=FakeStreamlit()" in response.text


def test_nor_a_websocket(client: FluxSyncTestClient) -> None:
    with FakeStreamlit() as fake, FluxSyncTestClient(make(), streamlit_upstream=fake) as other:
        assert [
            c.http.get("/_stcore/stream", headers=HANDSHAKE).status_code for c in (client, other)
        ] == [503, 501]


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_is_not_ready_without(client: FluxSyncTestClient) -> None:
    response = client.api_get("/readyz")

    assert response.status_code == 503
    assert t.cast("t.Any", response.json)["detail"] == "streamlit is STOPPED"


def test_nothing_is_started_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither here nor where it usually would be; the leak detector looks for processes."""
    for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    threads = threading.active_count()

    with FakeStreamlit() as fake, FluxSyncTestClient(make(), streamlit_upstream=fake) as client:
        of_fake = threading.active_count() - threads
        client.http.get("/static/js/index.js")
        client.api_get("/echo")
        client.client().get("/echo")
        assert threading.active_count() - threads - of_fake <= 1  # the fake's connection
    assert list(tmp_path.iterdir()) == []


def test_under_another_path(client: FluxSyncTestClient) -> None:
    mounted = client.with_root_path("/tools/app/")

    told: t.Any = mounted.api_get("/echo").json
    once: t.Any = client.api_get("/echo", root_path="/once").json
    none: t.Any = mounted.api_get("/echo", root_path="").json

    assert told["url"] == "http://localhost/tools/app/api/echo"
    assert mounted.client().get("/echo").status_code == 200
    assert once["url"] == "http://localhost/once/api/echo"
    assert none["url"] == "http://localhost/api/echo"
    assert FluxSyncTestClient(client.app, root_mount="/x").root_mount == "/x"


def test_the_settings_decide() -> None:
    app = make(settings=FluxSyncSettings(api_mount_path="/v1", root_path="/set"))
    client = FluxSyncTestClient(app)

    told: t.Any = client.api_get("/echo").json

    assert client.api_prefix == "/v1"
    assert told["url"] == "http://localhost/set/v1/echo"
    assert client.with_root_path("/set").api_get("/echo").status_code == 200
    with pytest.raises(ConfigError, match="root_mount='/other' from code: expected /set, as in"):
        client.with_root_path("/other")


def test_prefix(client: FluxSyncTestClient) -> None:
    other = FluxSyncTestClient(client.app, "/v2")

    assert other.api_get("/echo").status_code == 200
    assert other.http.get("/v2/echo").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            {"root_mount": "a//b"}, "root_mount='a//b' from code: expected a path", id="path"
        ),
        pytest.param({"root_mount": "/api"}, "expected another path, as /api is taken", id="api"),
        pytest.param({"api_prefix": "/"}, "api_mount_path='/' from", id="prefix"),
        pytest.param(
            {"streamlit_upstream": "localhost:8501"},
            "streamlit_upstream='localhost:8501' from code: expected http://host:port",
            id="upstream",
        ),
        pytest.param({"streamlit_upstream": "http://a:b"}, "expected http://host:port", id="port"),
    ],
)
def test_bad_arguments(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FluxSyncTestClient(make(), **arguments)


def test_what_is_no_application() -> None:
    with pytest.raises(TypeError, match=r"app='app:app': expected a FluxSync application"):
        FluxSyncTestClient(t.cast("t.Any", "app:app"))


def test_openapi(client: FluxSyncTestClient) -> None:
    assert client.openapi()["info"]["title"] == "Users"
    client.assert_docs_available()
    client.assert_docs_available(root_path="/x")


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A WSGI application that has a list in place of an OpenAPI document."""
    documents = {"/openapi.json": "[]", "/none/openapi.json": "", "/other/openapi.json": "{}"}
    text = documents.get(environ["PATH_INFO"], environ["PATH_INFO"])
    return Response(text, mimetype="application/json")(environ, start_response)


def test_wsgi_application() -> None:
    client = FluxSyncTestClient(FluxSync(title="Plain", api=plain))

    assert client.api_get("/somewhere").text == "/somewhere"
    assert client.client().get("/somewhere").text == "/somewhere"
    with pytest.raises(TypeError, match=r"GET /openapi\.json: 200 OK, '\[\]', and not a JSON obj"):
        client.openapi()
    with pytest.raises(AssertionError, match=r"GET /openapi\.json: 200 OK, '\[\]'"):
        client.assert_docs_available()


def test_documents_that_are_not_there() -> None:
    api = flask.Flask("api")
    api.add_url_rule("/openapi.json", "openapi", lambda: {"openapi": "3.1.0"})
    client = FluxSyncTestClient(FluxSync(title="Plain", api=api))

    assert client.openapi() == {"openapi": "3.1.0"}
    with pytest.raises(AssertionError, match="GET /docs: 404 NOT FOUND"):
        client.assert_docs_available()
    api.view_functions["openapi"] = dict
    with pytest.raises(AssertionError, match="not an OpenAPI document"):
        client.assert_docs_available()


def test_asgi_application() -> None:
    """Its lifespan is the client's."""
    states: list[str] = []

    async def api(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                states.append(message["type"])
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    with FluxSyncTestClient(FluxSync(title="ASGI", api=api)) as client:
        assert client.api_get("/users").text.endswith("/users")
        assert client.client().get("/users").text.endswith("/users")
        assert states == ["lifespan.startup"]

    assert states == ["lifespan.startup", "lifespan.shutdown"]


def test_client_of_pages(client: FluxSyncTestClient) -> None:
    api: ApiClient = client.client(default_headers={"X-A": "b"})

    assert api.post("/echo", json={"a": 1}).json()["method"] == "POST"
    assert api.with_bearer("token").get("/echo").status_code == 200
    with api.stream("GET", "/lines") as response:
        assert list(response.iter_lines()) == [b"one", b"two"]
    with pytest.raises(ValueError, match="leads out"):
        api.get("/../healthz")


def test_api_that_calls_itself() -> None:
    """With any client, and in each thread it's the own application."""
    found: dict[str, list[str]] = {}
    barrier = threading.Barrier(2)

    def run(name: str) -> None:
        app = FluxSync(title=name)
        api: flask.Flask = app.api
        api.add_url_rule("/name", "name", lambda: name)

        @api.get("/twice")
        def twice() -> str:
            barrier.wait(10)
            return app.get_client().get("/name").text + ApiClient().get("/name").text

        found[name] = [FluxSyncTestClient(app).api_get("/twice").text]

    threads = [threading.Thread(target=run, args=(name,)) for name in ("Ada", "Grace")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {"Ada": ["AdaAda"], "Grace": ["GraceGrace"]}


def test_in_front_of_a_fake_streamlit() -> None:
    with FakeStreamlit() as fake, FluxSyncTestClient(make(), streamlit_upstream=fake) as client:
        fake.answers["/reports"] = Answer("<p>reports", content_type="text/html")

        page = client.http.get("/reports", headers={"Accept": "text/html"})
        told: t.Any = client.http.post("/upload?a=b", data=b"x" * 100_000).json
        mounted = client.with_root_path("/x").http.get("/somewhere").json

        assert "<p>reports" in page.text
        assert (told["target"], len(told["body"])) == ("/upload?a=b", 100_000)
        assert t.cast("t.Any", mounted)["target"] == "/somewhere"
        assert client.http.get("/readyz").status_code == 200
    assert "x-forwarded-for" in [name.lower() for name, _ in fake.requests[0].headers]


def test_upstream_that_has_gone() -> None:
    with FakeStreamlit() as fake:
        url = fake.url
    with FluxSyncTestClient(make(), streamlit_upstream=url) as client:
        assert client.http.get("/").status_code == 502


def test_body_that_breaks_off() -> None:
    """What a client didn't send whole is refused, though the server's input just ends."""
    app = FluxSync()

    @app.api.post("/upload")
    def upload() -> list[int]:
        return [len(flask.request.get_data())]

    with FluxSyncTestClient(app) as client:
        whole = client.http.post(
            "/api/upload", data=b"12345", environ_overrides={"wsgi.input_terminated": True}
        )
        short = client.http.post(
            "/api/upload",
            data=b"12345",
            environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": "10"},
        )

    assert (whole.status_code, whole.json) == (200, [5])
    assert short.status_code == 400
