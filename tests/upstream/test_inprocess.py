"""The same requests to a WSGI application in this process, and on a server of the library's."""

from __future__ import annotations

import io
import logging
import threading
import typing as t
from wsgiref.validate import validator

import flask
import pytest
import requests
from werkzeug.serving import make_server

from fluxsync.upstream.inprocess import InProcessAdapter
from tests.support.leaks import Service

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.typing import StartResponse, WSGIEnvironment

BASE = "http://localhost"

app = flask.Flask(__name__)


@app.route("/echo", methods=["GET", "POST", "PUT", "HEAD"])
def echo() -> t.Any:
    environ = flask.request.environ
    told = {
        "method": environ["REQUEST_METHOD"],
        "args": flask.request.args.to_dict(flat=False),
        "body": flask.request.get_data(as_text=True),
        "type": environ.get("CONTENT_TYPE", ""),
        "x": environ.get("HTTP_X_NAME", ""),
    }
    return told, 200, {"X-Letter": "\u00e9", "Set-Cookie": "a=1; Path=/"}


@app.get("/path/<path:rest>")
def path(rest: str) -> str:
    return rest


@app.get("/pieces")
def pieces() -> flask.Response:
    return flask.Response(iter(["one\n", "", "two\n"]), mimetype="text/plain")


@app.get("/empty")
def empty() -> t.Any:
    return "", 204


@app.get("/short")
def short() -> flask.Response:
    return flask.Response(iter([b"abc"]), headers={"Content-Length": "10"})


@app.get("/breaks")
def breaks() -> flask.Response:
    def pieces() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("broken")

    return flask.Response(pieces())


@app.get("/raises")
def raises() -> str:
    raise OSError("broken")


@app.get("/redirect")
def redirect() -> t.Any:
    return flask.redirect("/path/there")


@app.post("/count")
def count() -> str:
    total = 0
    while piece := flask.request.stream.read(1000):
        total += len(piece)
    return str(total)


class Server(Service):
    """Werkzeug's, in a thread."""

    def __enter__(self) -> Server:
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(params=["in process", "server"])
def session(request: pytest.FixtureRequest) -> Iterator[tuple[requests.Session, str]]:
    """A session and the URL of the application: first here, then on a server."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Connection"] = "close"
        if request.param == "in process":
            session.mount("http://", InProcessAdapter(t.cast("t.Any", app), BASE))
            yield session, BASE
        else:
            with Server() as server:
                yield session, server.url


def file(data: bytes) -> t.BinaryIO:
    return io.BytesIO(data)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        pytest.param(b"bytes", "bytes", id="bytes"),
        pytest.param("t\u00e9xt", "t\u00e9xt", id="text"),
        pytest.param(None, "", id="nothing"),
        pytest.param(file(b"a file"), "a file", id="file"),
        pytest.param({"a": "1"}, "", id="form"),
    ],
)
def test_bodies(session: tuple[requests.Session, str], data: t.Any, body: str) -> None:
    requester, url = session
    if hasattr(data, "seek"):
        data.seek(0)

    response = requester.post(f"{url}/echo", data=data, headers={"X-Name": "value"})

    assert response.status_code == 200
    assert response.json()["x"] == "value"
    assert response.json()["body"] == body or response.json()["type"].endswith("urlencoded")
    assert response.headers["X-Letter"] == "\u00e9"
    assert response.cookies["a"] == "1"


def test_body_of_pieces() -> None:
    """Werkzeug's server can't tell where one in chunks ends if nobody reads it; here it ends."""
    with requests.Session() as session:
        session.mount("http://", InProcessAdapter(t.cast("t.Any", app), BASE))

        response = session.post(f"{BASE}/count", data=iter([b"x" * 70_000, b"", b"y"]))

    assert response.text == "70001"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_methods(session: tuple[requests.Session, str], method: str) -> None:
    requester, url = session

    response = requester.request(method, f"{url}/echo", params={"q": ["a b", "\u00e9"]})

    assert response.status_code == 200
    if method == "HEAD":
        assert response.content == b""
        assert int(response.headers["Content-Length"]) > 0
    else:
        assert response.json()["method"] == method
        assert response.json()["args"] == {"q": ["a b", "\u00e9"]}


def test_pieces_as_they_come(session: tuple[requests.Session, str]) -> None:
    requester, url = session

    with requester.get(f"{url}/pieces", stream=True) as response:
        assert list(response.iter_lines()) == [b"one", b"two"]
        assert response.headers["Content-Type"].startswith("text/plain")


def test_no_body(session: tuple[requests.Session, str]) -> None:
    requester, url = session
    response = requester.get(f"{url}/empty")

    assert (response.status_code, response.reason, response.content) == (204, "NO CONTENT", b"")


def test_path_as_it_is(session: tuple[requests.Session, str]) -> None:
    requester, url = session

    assert requester.get(f"{url}/path/%C3%A9%20x").text == "\u00e9 x"


def test_redirect(session: tuple[requests.Session, str]) -> None:
    requester, url = session

    response = requester.get(f"{url}/redirect")

    assert (response.text, len(response.history)) == ("there", 1)


@pytest.mark.parametrize("path", ["short", "breaks"])
def test_body_that_breaks_off(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with requests.Session() as session:
        session.mount("http://", InProcessAdapter(t.cast("t.Any", app), BASE))

        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            session.get(f"{BASE}/{path}")

    assert ("GET /breaks failed" in caplog.text) == (path == "breaks")


def test_exception_of_flask(session: tuple[requests.Session, str]) -> None:
    requester, url = session
    app.logger.setLevel(logging.CRITICAL)

    assert requester.get(f"{url}/raises").status_code == 500


class Application:
    """A WSGI application that does what a test wants, and knows when it was closed."""

    def __init__(self, *pieces: bytes, fail: str = "") -> None:
        self.pieces = pieces
        self.fail = fail
        self.given: list[bytes] = []
        self.closed = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Application:
        if self.fail == "at once":
            raise RuntimeError("at once")
        if self.fail != "without a head":
            start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.given.append(piece)
            yield piece

    def close(self) -> None:
        self.closed += 1
        if self.fail == "at the end":
            raise RuntimeError("at the end")


def get(application: t.Any, **kwargs: t.Any) -> requests.Response:
    with requests.Session() as session:
        session.mount("http://", InProcessAdapter(application, BASE))
        return session.get(f"{BASE}/", **kwargs)


def test_application_is_asked_as_late_as_possible() -> None:
    application = Application(b"one", b"two", b"three")

    with get(application, stream=True) as response:
        pieces = response.iter_content(None)

        assert next(pieces) == b"one"
        assert b"three" not in application.given

    assert application.closed == 1


def test_application_is_closed_once() -> None:
    application = Application(b"one")

    assert get(application).text == "one"
    assert application.closed == 1


@pytest.mark.parametrize("fail", ["at once", "without a head"])
def test_failing_application(fail: str, caplog: pytest.LogCaptureFixture) -> None:
    assert get(Application(b"one", fail=fail)).status_code == 500
    assert "GET / failed" in caplog.text


def test_failing_close(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(Application(b"one", fail="at the end"))
    with get(Application(b"one", b"two", fail="at the end"), stream=True) as response:
        assert next(response.iter_content(None)) == b"one"

    assert caplog.text.count("at the end") >= 2


def test_write() -> None:
    """The old way of WSGI applications."""

    def application(environ: WSGIEnvironment, start_response: t.Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one")
        write(b"two")
        return []

    assert get(application).text == "onetwo"


def test_rules_of_wsgi() -> None:
    application = Application(b"one")

    assert get(validator(t.cast("t.Any", application))).text == "one"


@pytest.mark.parametrize("url", ["http://example.org/", "https://localhost/", "http://localhost:1"])
def test_nobody_else_is_asked(url: str) -> None:
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, InProcessAdapter(t.cast("t.Any", app), BASE))

        with pytest.raises(requests.ConnectionError, match="which is all there is in a test"):
            session.get(url)
