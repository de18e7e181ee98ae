"""Answers to requests with an unknown prefix; tests/hosting/test_misplaced.py is more."""

from __future__ import annotations

import gzip
import typing as t

import pytest

from tests.support.gateways import Gateway, Mount
from tests.support.http import Response
from tests.support.upstream import FakeStreamlit

pytestmark = pytest.mark.live_server

PAGE = b'<html><head><script type="module" src="./static/js/a.js"></script></head></html>'
BROWSER = ("Accept", "text/html,*/*;q=0.8")
JSON = ("Accept", "application/json")


@pytest.fixture(scope="module")
def upstream() -> t.Iterator[FakeStreamlit]:
    """Answers with its page wherever nothing else is, as Streamlit does."""
    with FakeStreamlit() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(upstream: FakeStreamlit) -> t.Iterator[Gateway]:
    with Gateway(upstream=upstream) as server:
        yield server


def put(upstream: FakeStreamlit, path: str, *fields: tuple[str, str], body: bytes = PAGE) -> None:
    upstream.reset()
    length = ("Content-Length", str(len(body)))
    upstream.files[path] = ([("Content-Type", "text/html"), *fields, length], body)


def cookies(response: Response) -> list[str]:
    return [cookie.split("; ")[0] for cookie in response.all("Set-Cookie")]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize(
    "path", ["/tools/_stcore/health", "/tools/_stcore/upload_file/a/b", "/tools/__fluxsync/shim.js"]
)
def test_endpoints(gateway: Gateway, upstream: FakeStreamlit, method: str, path: str) -> None:
    """Never Streamlit's answer, which would be its page, maybe."""
    upstream.reset()
    response = gateway.request(method, path)

    assert response.status == 404
    assert b"set FLUXSYNC_ROOT_PATH=/tools." in response.body
    assert response.get("Content-Type").startswith("text/plain")
    assert upstream.requests == []


def test_websocket(gateway: Gateway) -> None:
    with pytest.raises(AssertionError, match="404"):
        gateway.websocket(path="/tools/_stcore/stream")


@pytest.mark.parametrize("path", ["/tools/deep", "/tools/static/js/a.js", "/tools/api/stations"])
@pytest.mark.parametrize("compressed", [False, True])
def test_pages(gateway: Gateway, upstream: FakeStreamlit, path: str, compressed: bool) -> None:
    """Streamlit's page loads its files from where it is, and there they aren't."""
    coding = [("Content-Encoding", "gzip")] if compressed else []
    put(upstream, path, *coding, body=gzip.compress(PAGE) if compressed else PAGE)
    response = gateway.get(path, [JSON])

    assert response.status == 404
    assert response.get("Content-Type") == "application/problem+json"
    hint = f"FLUXSYNC_ROOT_PATH={path.rpartition('/')[0]}."
    assert response.json()["detail"].endswith(hint)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/page", PAGE),
        ("/a%2Fb", PAGE),
        ("/reports/own", b"<html><head></head></html>"),
        ("/reports/broken", b"\x1f\x8bno gzip"),
    ],
)
def test_pages_that_are_where_they_are(
    gateway: Gateway, upstream: FakeStreamlit, path: str, body: bytes
) -> None:
    coding = [("Content-Encoding", "gzip")] if body[:1] == b"\x1f" else []
    put(upstream, path, *coding, body=body)
    response = gateway.get(path)

    assert response.status == 200
    assert response.body.endswith(body[-7:])


def test_without_the_script(upstream: FakeStreamlit) -> None:
    with Gateway(upstream=upstream, env={"FLUXSYNC_GATEWAY_PAGE_SCRIPT": "off"}) as gateway:
        put(upstream, "/tools/deep")
        assert gateway.get("/tools/deep", [BROWSER]).status == 404
        put(upstream, "/tools/own", body=b"<head></head>")
        assert gateway.get("/tools/own", [BROWSER]).body == b"<head></head>"


def test_another_root_path(upstream: FakeStreamlit) -> None:
    with Gateway(upstream=upstream, mount=Mount("/other")) as gateway:
        for path in "/tools/_stcore/health", "/other/tools/_stcore/health":
            assert b"ROOT_PATH=/tools (it is /other now)." in gateway.get(path).body


@pytest.mark.parametrize(
    "path", ["/<b>/_stcore/health", "/a%3Cb%3E/_stcore/health", "/$(reboot)/_stcore/health"]
)
def test_what_is_in_a_link(gateway: Gateway, path: str) -> None:
    """Nothing of it becomes markup, nor something that a person would give to a shell."""
    body = gateway.get(path, [BROWSER]).body

    assert b"<b>" not in body
    assert b"FLUXSYNC_ROOT_PATH" not in body


def test_redirects(gateway: Gateway, upstream: FakeStreamlit) -> None:
    """The first ones are Streamlit's, and then the browser has come in a circle."""
    status: list[int] = []
    cookie = ""
    for _ in range(7):
        sent = f"x=1; {cookie}" if cookie else "x=1"
        put(upstream, "/tools/", ("Location", "/tools"), body=b"")
        upstream.statuses["/tools/"] = 301
        response = gateway.get("/tools/?a=b", [BROWSER, ("Cookie", sent)])
        status.append(response.status)
        (cookie,) = cookies(response)
        assert response.get("Cache-Control") == "no-store"
        if response.status == 307:
            assert response.get("Location") == "../tools?a=b"
            assert upstream.requests[0].get("Cookie") == "x=1"

    assert status == [307] * 5 + [404, 307]


@pytest.mark.parametrize("value", ["x", "-1", "99", "٣", ""])
def test_forged_cookie(gateway: Gateway, upstream: FakeStreamlit, value: str) -> None:
    put(upstream, "/tools/", ("Location", "/tools"), body=b"")
    upstream.statuses["/tools/"] = 301
    field = f"fluxsync_redirects={value}".encode().decode("latin-1")
    response = gateway.get("/tools/", [("Cookie", field)])

    assert (response.status, cookies(response)) == (307, ["fluxsync_redirects=1"])


@pytest.mark.parametrize("location", ["/elsewhere", "https://example.org/tools", "/tools/x"])
def test_other_redirects(gateway: Gateway, upstream: FakeStreamlit, location: str) -> None:
    put(upstream, "/tools/", ("Location", location), body=b"")
    upstream.statuses["/tools/"] = 301
    response = gateway.get("/tools/")

    assert (response.status, cookies(response)) == (301, [])
