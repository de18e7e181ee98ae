from __future__ import annotations

import typing as t

import flask
import pytest
import starlette.requests
import streamlit
from flask_openapi3.openapi import OpenAPI
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from fluxsync import FluxSyncSettings
from fluxsync.gateway.urls import FluxSyncPublicUrls, UnknownUrl
from fluxsync.sansio.rootpath import RootPath
from tests.support.pages import page_test


def urls(api: object = None, **values: t.Any) -> FluxSyncPublicUrls:
    return FluxSyncPublicUrls(FluxSyncSettings(**values), lambda: api)


def request(url: str = "http://h", root: str = "", host: str | None = None) -> Request:
    """Return a request as the gateway gives it to the API."""
    environ = EnvironBuilder("/api/x", url).get_environ()
    environ["fluxsync.root_path"] = RootPath(root)
    if host is not None:
        environ["HTTP_HOST"] = host
    return Request(environ)


@pytest.mark.parametrize(
    ("url", "root", "expected"),
    [
        ("http://h", "", "http://h"),
        ("https://h:8443", "/a/b", "https://h:8443/a/b"),
        ("http://h:80", "", "http://h"),
        ("https://h:443", "", "https://h"),
        ("http://[::1]:8000", "/a", "http://[::1]:8000/a"),
        ("http://[::1]", "", "http://[::1]"),
    ],
)
def test_base(url: str, root: str, expected: str) -> None:
    made = urls()

    assert made.app_base(request(url, root)) == expected
    assert made.app_base(request(url, root).environ) == expected
    assert made.api_base(request(url, root)) == f"{expected}/api"
    assert made.health_url(request(url, root)) == f"{expected}/api/healthz"
    assert made.ready_url(request(url, root)) == f"{expected}/api/readyz"


@pytest.mark.parametrize(
    "host",
    ["h/evil", "h@evil", "h evil", "h:x", "h:", "h:99999", "[::1", "[g::]", "::1", "h\r\n", 'h"'],
)
def test_host_that_makes_no_url(host: str) -> None:
    """It would end in mails and redirects."""
    with pytest.raises(UnknownUrl, match="set public_base_url"):
        urls().app_base(request(host=host))


@pytest.mark.parametrize("root", ["/a?b", "/a b", '/"', "a"])
def test_root_that_makes_no_url(root: str) -> None:
    with pytest.raises(UnknownUrl):
        urls().app_base(request(root=root))


def test_server_without_a_host_field() -> None:
    """HTTP/1.0."""
    environ = {"wsgi.url_scheme": "http", "SERVER_NAME": "::1", "SERVER_PORT": "8000"}

    assert urls().app_base(environ) == "http://[::1]:8000"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"public_base_url": "https://w.example/"}, "https://w.example"),
        ({"public_base_url": "https://w.example:8443/a"}, "https://w.example:8443/a"),
        ({"public_base_url": "https://w.example", "root_path": "/b"}, "https://w.example/b"),
    ],
)
def test_public_url_wins(values: dict[str, str], expected: str) -> None:
    assert urls(**values).app_base(request("http://evil", "/other")) == expected
    assert urls(**values).app_base() == expected


def test_nobody_asks() -> None:
    with pytest.raises(UnknownUrl, match="set public_base_url"):
        urls().app_base()
    with pytest.raises(TypeError, match="expected a Flask request"):
        urls().app_base(5)


def test_request_of_flask() -> None:
    """Within one, it needn't be given."""
    app = flask.Flask("x")
    with app.test_request_context("/x", base_url="https://f.example"):
        assert urls().for_page("/a") == "https://f.example/a"


def test_request_of_starlette() -> None:
    """An ASGI API's has the WSGI request within; another one tells nothing."""
    environ = request("https://example.org", "/tools").environ

    asked = starlette.requests.Request({"type": "http", "wsgi_environ": environ})
    assert urls().api_base(asked) == "https://example.org/tools/api"
    with pytest.raises(UnknownUrl):
        urls().api_base(starlette.requests.Request({"type": "http"}))


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/", None, "http://h/"),
        ("/stations", None, "http://h/stations"),
        ("stations", {}, "http://h/stations"),
        ("/ü b%", None, "http://h/%C3%BC%20b%25"),
        ("/a", {"x": "1 2", "y": ["a", "b"], "z": None, "n": 3}, "http://h/a?x=1+2&y=a&y=b&n=3"),
        ("/a", {"x": [], "y": ()}, "http://h/a"),
        ("/a", {"x": [None, 0]}, "http://h/a?x=0"),
        ("/a", {"x": "&=#é"}, "http://h/a?x=%26%3D%23%C3%A9"),
    ],
)
def test_page(path: str, query: dict[str, t.Any] | None, expected: str) -> None:
    made = urls()

    assert made.for_page(request(), path, query=query) == expected
    assert made.page_url(request(), path, query=query) == expected


@pytest.mark.parametrize("path", ["/a?b", "/a#b", "//evil.example", "/../x", "/a\n", "/a\\b", 5])
def test_page_that_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected the path of a page"):
        urls().for_page(request(), path)


def test_documents_of_our_own_api() -> None:
    api = OpenAPI("fluxsync.api", doc_ui=False)
    for path in ("/docs", "/openapi.json"):
        api.add_url_rule(path, path[1:].replace(".", "-"), lambda: "")
    made = urls(api)

    assert made.docs_url(request()) == "http://h/api/docs"
    assert made.openapi_url(request()) == "http://h/api/openapi.json"
    assert made.redoc_url(request()) is None


def test_documents_of_another_api() -> None:
    """Whose ``/docs`` may be anything."""
    own = flask.Flask("mine")
    own.add_url_rule("/docs", "docs", lambda: "")
    assert urls(own).docs_url(request()) is None
    assert urls().docs_url(request()) is None

    class Fast:
        docs_url = "/documentation"
        redoc_url = None

    assert urls(Fast()).docs_url(request()) == "http://h/api/documentation"
    assert urls(Fast()).redoc_url(request()) is None
    assert urls(Fast()).openapi_url(request()) is None


def test_page_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway has told Streamlit about the browser counts."""

    def script() -> None:
        import streamlit as st

        from fluxsync import FluxSyncSettings
        from fluxsync.gateway.urls import FluxSyncPublicUrls

        made = FluxSyncPublicUrls(FluxSyncSettings(), lambda: None)
        st.text(made.for_page("/a"))

    headers = {
        "Host": "127.0.0.1:8501",
        "X-Forwarded-Host": "w.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/root",
    }
    monkeypatch.setattr(type(streamlit.context), "headers", headers)
    test = page_test(script).run()

    assert [text.value for text in test.text] == ["https://w.example/root/a"]
