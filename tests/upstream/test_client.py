from __future__ import annotations

import typing as t

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxsync.upstream import client as client_module
from fluxsync.upstream.client import API_BASE_VARIABLE, ApiClient, shared_client
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
        with pytest.raises(requests.ReadTimeout):
            client.get("/slow/60")
        upstream.release.set()
        assert client.get("/slow/60", timeout=None).status_code == 200


@pytest.mark.parametrize(
    ("path", "url"),
    [
        pytest.param("/users", "http://h/api/users", id="path"),
        pytest.param("users", "http://h/api/users", id="no slash"),
        pytest.param("", "http://h/api/", id="empty"),
        pytest.param("/a/../b", "http://h/api/a/../b", id="dots that stay inside"),
        pytest.param("/a?next=http://h", "http://h/api/a?next=http://h", id="URL in the query"),
        pytest.param("/..a", "http://h/api/..a", id="name with dots"),
    ],
)
def test_url(path: str, url: str) -> None:
    with ApiClient("http://h/api/") as client:
        assert client.url(path) == url


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        pytest.param("http://evil.example/", "is a URL", id="URL"),
        pytest.param("//evil.example/", "is a URL", id="no scheme"),
        pytest.param("/../healthz", "leads out of the API", id="dots"),
        pytest.param("a/../../healthz", "leads out of the API", id="more dots"),
        pytest.param("/%2e%2E/healthz", "leads out of the API", id="encoded dots"),
        pytest.param("/..%2Fhealthz", "leads out of the API", id="encoded slash"),
        pytest.param("/../apis", "leads out of the API", id="shared prefix"),
    ],
)
def test_url_that_is_refused(path: str, complaint: str) -> None:
    with ApiClient("http://h/api") as client, pytest.raises(ValueError, match=complaint):
        client.get(path)


@given(st.lists(st.sampled_from(["/", "..", ".", "%2e", "%2F", "a", "?"])).map("".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_requests_never_leave_the_api(path: str) -> None:
    """Also after requests has tidied up the URL."""
    with ApiClient("http://h/api") as client:
        try:
            url = client.url(path)
        except ValueError:
            return
    sent = requests.Request("GET", url).prepare().url
    assert sent is not None
    assert (sent + "/").startswith(("http://h/api/", "http://h/api?"))


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
