"""What all requests and answers get, whoever answers; tests/live/test_protection.py is more."""

from __future__ import annotations

import re
import typing as t

import pytest

from fluxsync.gateway.calls import CALL
from fluxsync.gateway.guards import find_guards
from fluxsync.sansio.protection import DEFAULTS
from tests.support.inprocess import PEER, Site
from tests.support.upstream import FakeStreamlit

if t.TYPE_CHECKING:
    from werkzeug.test import TestResponse

PROXY = {"forwarded_allow_ips": "203.0.113.0/24"}
ORIGIN = ("Origin", "https://one.example")
PREFLIGHT = (
    ORIGIN,
    ("Access-Control-Request-Method", "PUT"),
    ("Access-Control-Request-Headers", "content-type"),
)
#: Whoever answers: the API, Streamlit, nobody, fluxsync itself.
PATHS = ["/api/length", "/api/nothing", "/echo", "/__fluxsync/none", "/healthz", "/readyz"]
PAGE = b"""<!doctype html><html><head>
<script>window.prerenderReady = false</script>
<script type="module" src="./static/js/index.abc.js"></script>
<script>steal()</script></head><body></body></html>"""


def cors_of(response: TestResponse) -> dict[str, str]:
    return {n: v for n, v in response.headers if n.lower().startswith("access-control-")}


def test_nothing_wanted_costs_nothing() -> None:
    """By default there is no such object, and so nothing is done for a request."""
    with Site() as site:
        assert find_guards(site.settings, lambda path: False) is None
        headers = site.open("/api/length").headers
    assert set(headers.keys()) == {"Content-Type", "Content-Length", "X-Request-Id"}


@pytest.mark.parametrize("path", PATHS)
def test_security_headers(upstream: FakeStreamlit, path: str) -> None:
    with Site(upstream=upstream.url, enable_security_headers=True) as site:
        headers = site.open(path).headers

    for name, value in DEFAULTS.items():
        assert headers.getlist(name) == ([] if name.startswith("Strict") else [value])


@pytest.mark.parametrize(
    ("proto", "settings", "is_sent"),
    [
        pytest.param("https", PROXY, True, id="a trusted proxy says so"),
        pytest.param("http", PROXY, False, id="a trusted proxy says no"),
        pytest.param("https", {}, False, id="anybody says so"),
    ],
)
def test_transport_security(proto: str, settings: dict[str, t.Any], is_sent: bool) -> None:
    with Site(enable_security_headers=True, **settings) as site:
        headers = site.open("/api/length", headers=[("X-Forwarded-Proto", proto)]).headers

    assert ("Strict-Transport-Security" in headers) is is_sent


def test_own_fields_and_those_of_the_application() -> None:
    settings: dict[str, t.Any] = {
        "enable_security_headers": True,
        "security_headers": '{"Referrer-Policy": ""}',
    }
    with Site(**settings) as site:
        headers = site.open("/api/own").headers

    assert headers.getlist("X-Frame-Options") == ["DENY"]
    assert "Referrer-Policy" not in headers
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_unreadable_requests_are_answered_alike() -> None:
    with Site(enable_security_headers=True, content_security_policy="default-src 'none'") as site:
        response = site.open("/", environ={"RAW_URI": "no path"})

    assert response.status_code == 400
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'"


def serve_page(upstream: FakeStreamlit) -> None:
    fields = [
        ("Content-Type", "text/html"),
        ("Content-Length", str(len(PAGE))),
        ("ETag", '"1"'),
        ("Last-Modified", "Fri, 20 Nov 2026 00:00:00 GMT"),
    ]
    upstream.files["/"] = (fields, PAGE)


@pytest.mark.parametrize("script", ["inline", "file", "off"])
def test_nonce_of_each_answer(upstream: FakeStreamlit, script: str) -> None:
    """Policy and page have the same one, and the next answer another one, also for a browser
    that has the page already. What was injected into the page has none.
    """
    serve_page(upstream)
    policy = "script-src 'nonce-{nonce}' 'strict-dynamic'"
    seen = set()
    with Site(
        upstream=upstream.url, content_security_policy=policy, gateway_page_script=script
    ) as site:
        for _ in range(2):
            known = [("Accept", "text/html"), ("If-None-Match", '"1"')]
            response = site.open("/", headers=known)
            assert response.status_code == 200
            assert not {"ETag", "Last-Modified"} & set(response.headers.keys())
            assert response.headers["Cache-Control"] == "no-cache"
            found = re.fullmatch(
                r"script-src 'nonce-([\w-]{22})' 'strict-dynamic'",
                response.headers["Content-Security-Policy"],
            )
            assert found
            assert response.text.count(f'nonce="{found[1]}"') == (2 if script == "off" else 3)
            assert "<script>steal()" in response.text
            assert ("__fluxsync" in response.text or "data-path" in response.text) == (
                script != "off"
            )
            seen.add(found[1])
    assert len(seen) == 2


def test_policy_without_a_nonce(upstream: FakeStreamlit) -> None:
    serve_page(upstream)
    with Site(upstream=upstream.url, content_security_policy="script-src 'self'") as site:
        response = site.open("/", headers=[("Accept", "text/html")])

    assert response.headers["Content-Security-Policy"] == "script-src 'self'"
    assert "nonce" not in response.text


def test_nonce_of_a_trusted_proxy_is_for_both_policies(upstream: FakeStreamlit) -> None:
    """Browsers obey the proxy's policy and this one, and a script has one nonce."""
    serve_page(upstream)
    settings: dict[str, t.Any] = {
        "content_security_policy": "script-src 'nonce-{nonce}'",
        "gateway_csp_nonce_header": "X-Nonce",
    }
    asked = [("Accept", "text/html"), ("X-Nonce", "theirs")]
    with Site(upstream=upstream.url, **settings, **PROXY) as site:
        believed = site.open("/", headers=asked)
    with Site(upstream=upstream.url, **settings) as site:
        forged = site.open("/", headers=asked)

    assert believed.headers["Content-Security-Policy"] == "script-src 'nonce-theirs'"
    assert believed.text.count('nonce="theirs"') == 3
    assert "theirs" not in forged.headers["Content-Security-Policy"] + forged.text


def test_preflights_are_answered_for_everybody(upstream: FakeStreamlit) -> None:
    settings: dict[str, t.Any] = {
        "cors_allow_origins": "https://one.example",
        "enable_security_headers": True,
    }
    with Site(upstream=upstream.url, **settings) as site:
        for path in ("/api/length", "/api/nothing", "/echo", "/"):
            response = site.open(path, "OPTIONS", PREFLIGHT)
            assert response.status_code == 204
            assert cors_of(response)["Access-Control-Allow-Origin"] == "https://one.example"
            assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
            assert response.data == b""
        foreign = site.open("/api/length", "OPTIONS", [("Origin", "https://evil"), *PREFLIGHT[1:]])
    assert foreign.status_code == 403
    assert "cors_allow_origins" in foreign.text
    assert cors_of(foreign) == {}
    assert foreign.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert not upstream.requests


def test_one_word_about_other_origins(upstream: FakeStreamlit) -> None:
    """The gateway's, whatever Streamlit and the API say, in errors too."""
    fields = [("Content-Length", "2"), ("Access-Control-Allow-Origin", "*")]
    upstream.files["/media/a"] = (fields, b"ok")
    paths = ("/media/a", "/api/own", "/api/length", "/api/nothing", "/healthz")
    with Site(upstream=upstream.url, cors_allow_origins="https://one.example") as site:
        for path in paths:
            welcome, other = site.open(path, headers=[ORIGIN]), site.open(path)
            assert cors_of(welcome) == {"Access-Control-Allow-Origin": "https://one.example"}
            assert cors_of(other) == {}
            assert {r.headers["Vary"] for r in (welcome, other)} == {"Origin"}
    with Site(upstream=upstream.url) as site:
        assert cors_of(site.open("/media/a")) == {"Access-Control-Allow-Origin": "*"}
        assert site.open("/api/length", "OPTIONS", PREFLIGHT).status_code == 200


def test_readers_of_answers_change_nothing_in_streamlit(upstream: FakeStreamlit) -> None:
    """``cors_allow_origins`` isn't ``allowed_origins``."""
    with Site(upstream=upstream.url, cors_allow_origins="https://one.example") as site:
        assert site.open("/echo", headers=[ORIGIN]).status_code == 200
        refused = site.open("/_stcore/upload_file/a/b", "PUT", [ORIGIN], data=b"x")
        upgrade = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
        ]
        key = ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
        environ = {"SERVER_PROTOCOL": "HTTP/1.1"}
        websocket = site.open("/_stcore/stream", headers=[ORIGIN, *upgrade, key], environ=environ)

    assert refused.status_code == websocket.status_code == 403
    assert "allowed_origins" in refused.text
    assert "allowed_origins" in websocket.text
    assert [r.path for r in upstream.requests] == ["/echo"]


@pytest.mark.parametrize("metrics", ["/__fluxsync/metrics", "/metrics"])
def test_own_pages_are_nobody_elses(metrics: str) -> None:
    """Who may see them is decided by the address, which is that of whoever looks at a page."""
    settings: dict[str, t.Any] = {
        "cors_allow_origins": "*",
        "debug": True,
        "enable_gateway_prometheus_metrics": True,
        "gateway_prometheus_metrics_path": metrics,
    }
    with Site(**settings) as site:
        for path in (metrics, "/__fluxsync/debug", "/__fluxsync/tunnel/open"):
            assert cors_of(site.open(path, headers=[ORIGIN])) == {}
            preflight = site.open(path, "OPTIONS", PREFLIGHT)
            assert preflight.status_code != 204
            assert cors_of(preflight) == {}


@pytest.mark.parametrize(
    ("headers", "settings", "status"),
    [
        pytest.param([("Host", "app.example.org")], {}, 200, id="name"),
        pytest.param([("Host", "app.example.org:8000")], {}, 200, id="port"),
        pytest.param([("Host", "evil.example")], {}, 400, id="other name"),
        pytest.param([("Host", "127.0.0.1")], {}, 400, id="address"),
        pytest.param(
            [("Host", "evil.example"), ("X-Forwarded-Host", "app.example.org")],
            {},
            400,
            id="forged",
        ),
        pytest.param(
            [("Host", "internal"), ("X-Forwarded-Host", "app.example.org")], PROXY, 200, id="proxy"
        ),
        pytest.param(
            [("Host", "app.example.org"), ("X-Forwarded-Host", "evil.example")],
            PROXY,
            400,
            id="believed to be foreign",
        ),
    ],
)
def test_hosts(
    upstream: FakeStreamlit, headers: t.Any, settings: dict[str, t.Any], status: int
) -> None:
    with Site(upstream=upstream.url, allowed_hosts="app.example.org", **settings) as site:
        for path in ("/api/length", "/echo"):
            response = site.open(path, headers=headers)
            assert response.status_code == status
            if status == 400:
                assert "allowed_hosts" in response.text
                assert "evil" not in response.text
        for path in ("/__fluxsync/shim.js", "/__fluxsync/debug", "/__fluxsync/tunnel/probe"):
            assert (site.open(path, headers=headers).status_code == 400) == (status == 400)
        # Probes use addresses.
        assert site.open("/healthz", headers=headers).status_code == 200
        assert site.open("/api/healthz", headers=headers).status_code == 200
        assert site.open("/readyz", headers=headers).status_code == 200
    assert len(upstream.requests) == (status == 200)


def test_websockets_of_foreign_hosts(upstream: FakeStreamlit) -> None:
    """A page under a name that suddenly means this server is of the same origin as itself."""
    headers = [
        ("Host", "evil.example"),
        ("Origin", "http://evil.example"),
        ("Upgrade", "websocket"),
    ]
    with Site(upstream=upstream.url, allowed_hosts="app.example.org") as site:
        assert site.open("/_stcore/stream", headers=headers).status_code == 400


def test_calls_of_pages_are_left_alone() -> None:
    settings: dict[str, t.Any] = {
        "allowed_hosts": "app.example.org",
        "cors_allow_origins": "https://one.example",
        "enable_security_headers": True,
        "api_max_request_body_bytes": 1,
    }
    call = {CALL: True, "REMOTE_ADDR": ""}
    with Site(**settings) as site:
        response = site.open(
            "/api/length", "POST", [("Host", "localhost")], environ=call, data="ab"
        )
        own = site.open("/api/own", headers=[ORIGIN], environ=call)

    assert (response.status_code, response.text) == (200, "2")
    assert "X-Content-Type-Options" not in response.headers
    assert cors_of(own) == {"Access-Control-Allow-Origin": "https://own"}
    assert PEER not in response.text


def test_documentation_under_a_policy() -> None:
    """It has one of its own, as its scripts are in the page."""
    from fluxsync.api.application import create_api

    with Site(create_api("A", "/api"), content_security_policy="script-src 'none'") as site:
        policies = [
            site.open(f"/api/{name}").headers["Content-Security-Policy"]
            for name in ("docs", "swagger", "redoc", "openapi.json")
        ]

    assert [policy == "script-src 'none'" for policy in policies] == [False, False, False, True]
