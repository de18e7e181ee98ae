"""HTTP through the gateway: what Streamlit sees, and what comes back (RFC 9110)."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit, Request
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server


def last(seen: FakeStreamlit) -> Request:
    return seen.requests[-1]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/a%2Fb/c%3Fd%23e?q=1", id="encoded separators"),
        pytest.param("//double//slashes//?x=//y", id="repeated slashes"),
        pytest.param("/caf%C3%A9/%E6%97%A5%E6%9C%AC?%E6%9C%AC=%E6%97%A5", id="unicode"),
        pytest.param("/a%20b+c;d=1,2?e=f&e=g&h", id="reserved characters"),
        pytest.param("/%25/%2e%2e/x", id="encoded percent and dots"),
        pytest.param("/?" + "q" * 3000, id="long query"),
    ],
)
def test_raw_target_is_untouched(live: Gateway, seen: FakeStreamlit, target: str) -> None:
    assert live.get(target).status == 200

    assert last(seen).target == target


def test_unicode_in_api_paths(live: Gateway) -> None:
    answer = live.get("/api/echo/%E6%97%A5%E6%9C%AC").json()

    assert answer["path"] == "/echo/日本"
    assert answer["script_root"] == f"{live.mount.root}/api"


@pytest.mark.parametrize("path", ["/%61pi/echo", "/x/../api/echo", "/api/x/../echo"])
def test_api_is_found_on_the_normalized_path(live: Gateway, path: str) -> None:
    assert live.get(path).json()["path"] == "/echo"


@pytest.mark.parametrize("path", ["/apix", "/ap", "//api/echo"])
def test_other_paths_are_streamlits(live: Gateway, seen: FakeStreamlit, path: str) -> None:
    live.get(path)

    assert last(seen).target == path


@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/%6Detrics", "/x/../_stcore/script-health-check"]
)
def test_private_endpoints_are_not_forwarded(live: Gateway, seen: FakeStreamlit, path: str) -> None:
    assert live.get(path).status == 404

    assert not seen.requests


def test_response_headers(live: Gateway) -> None:
    response = live.get("/hop")

    for name in ("X-Private", "Proxy-Authenticate", "Trailer", "Upgrade"):
        assert name not in response
    assert response.get("Connection").lower() in ("close", "keep-alive")
    assert "timeout=5" not in response.all("Keep-Alive")
    assert response.all("X-Duplicate") == ["one", "two"]
    assert response.get("Link") == "</a>; rel=a, </b>; rel=b"
    assert "X-Empty" in response
    assert len(response.all("Date")) == 1
    assert "1970" not in response.get("Date")
    assert "FakeStreamlit" not in response.get("Server", "")


def test_set_cookie_fields_are_not_merged(live: Gateway) -> None:
    path = live.mount.root or "/"

    assert live.get("/set-cookie").all("Set-Cookie") == [
        f"a=1; Path={path}; HttpOnly",
        "b=2; Expires=Wed, 21 Oct 2037 07:28:00 GMT",
    ]


def test_request_headers(live: Gateway, seen: FakeStreamlit) -> None:
    live.get(
        "/echo",
        [
            ("Connection", "X-Nominated"),
            ("X-Nominated", "hop"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "Basic eDp5"),
            ("Accept-Encoding", "zstd, br"),
            ("Authorization", "Bearer mine"),
            ("Cookie", "a=1; fluxsync_replica=r1; b=2"),
            ("X-Ordinary", "yes"),
        ],
    )

    request = last(seen)
    names = {name.lower() for name, _ in request.headers}
    assert not names & {"x-nominated", "keep-alive", "te", "proxy-connection"}
    assert "proxy-authorization" not in names
    assert request.get("Accept-Encoding") == "zstd, br"
    assert request.get("Authorization") == "Bearer mine"
    assert request.get("Cookie") == "a=1; b=2"
    assert request.get("X-Ordinary") == "yes"
    assert len(request.all("Host")) == 1


def test_head_keeps_its_length(live: Gateway) -> None:
    response = live.request("HEAD", "/bytes/12345")

    assert response.status == 200
    assert response.get("Content-Length") == "12345"
    assert response.body == b""


def test_not_modified_keeps_its_length(live: Gateway) -> None:
    response = live.get("/status/304")

    assert (response.status, response.get("ETag")) == (304, '"abc"')
    assert response.get("Content-Length") == "1234"


@pytest.mark.parametrize("status", [204, 206, 301, 404, 418, 500])
def test_status_is_passed_on(live: Gateway, status: int) -> None:
    response = live.get(f"/status/{status}")

    assert response.status == status
    assert response.reason == f"Status {status}"


def test_interim_responses_are_skipped(live: Gateway) -> None:
    assert live.get("/hints").body == b"hints"


def test_encoded_bodies_are_untouched(live: Gateway) -> None:
    response = live.get("/gzip", [("Accept-Encoding", "gzip")])

    assert response.get("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body) == b"x" * 10_000


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("body", [None, b"", b"hello"], ids=["none", "empty", "small"])
def test_methods_and_bodies(
    live: Gateway, seen: FakeStreamlit, method: str, body: bytes | None
) -> None:
    assert live.request(method, "/echo", body=body).status == 200

    request = last(seen)
    assert request.method == method
    assert request.body == (body or b"")
    assert request.complete


def test_chunked_upload(live: Gateway, seen: FakeStreamlit) -> None:
    body = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"

    live.request("PUT", "/sink", [("Transfer-Encoding", "chunked")], body)

    upload = seen.sinks.get(timeout=10)
    assert (upload.body, upload.complete) == (b"hello world", True)


def test_body_without_a_length_upstream(live: Gateway) -> None:
    response = live.get("/close/100000")

    assert len(response.body) == 100_000
    assert response.complete


def test_two_requests_on_one_connection(live: Gateway, seen: FakeStreamlit) -> None:
    if live.worker_class == "sync":
        pytest.skip("the sync worker closes connections")
    with live.connection() as connection:
        for number in range(3):
            path = live.target(f"/echo/{number}")
            assert connection.request("POST", path, body=b"%d" % number).status == 200

    assert [request.body for request in seen.requests] == [b"0", b"1", b"2"]


def test_kept_connection_that_was_closed(live: Gateway, seen: FakeStreamlit) -> None:
    """A connection that the server closed while it was idle costs no request."""

    def is_closed() -> bool:
        name = f"upstream-{last(seen).connection}"
        return name not in [thread.name for thread in seen.owned_threads()]

    for _ in range(5):
        assert live.get("/stale").status == 200
        eventually(is_closed, what="the end of the connection")
        assert live.post("/echo", b"x").status == 200


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param("/page", "../page", id="absolute path"),
        pytest.param("/", "../", id="root"),
        pytest.param("/a/b?c=d#e", "../a/b?c=d#e", id="query and fragment"),
        pytest.param("other?x", "other?x", id="relative already"),
        pytest.param("https://idp.example/auth?a=b", "https://idp.example/auth?a=b", id="foreign"),
    ],
)
def test_redirects_stay_in_the_mount(live: Gateway, location: str, expected: str) -> None:
    response = live.get(f"/redirect/x?to={location.replace('?', '%3F').replace('#', '%23')}")

    assert response.get("Location") == expected


def test_redirect_to_the_own_host(live: Gateway) -> None:
    response = live.get(f"/redirect?to=http://127.0.0.1:{live.port}/page")

    assert response.get("Location") == "page"


def test_request_id_is_made_and_kept(live: Gateway, seen: FakeStreamlit) -> None:
    made = live.get("/echo").get("X-Request-Id")
    kept = live.get("/echo", [("X-Request-Id", "mine-1")]).get("X-Request-Id")
    replaced = live.get("/echo", [("X-Request-Id", "a b<c>")]).get("X-Request-Id")

    assert [r.get("X-Request-Id") for r in seen.requests] == [made, kept, replaced]
    assert kept == "mine-1"
    assert "<" not in replaced
    assert len({made, kept, replaced}) == 3


def test_request_id_reaches_the_api(live: Gateway) -> None:
    response = live.get("/api/echo", [("X-Request-Id", "mine-2")])

    assert response.get("X-Request-Id") == "mine-2"
    assert ["X-Request-Id", "mine-2"] in response.json()["headers"]


def test_api_body(live: Gateway) -> None:
    body = b"x" * 300_000

    answer = live.post("/api/echo", body).json()

    assert answer["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_api_links(live: Gateway) -> None:
    answer = live.get("/api/echo").json()

    assert answer["url"] == f"http://127.0.0.1:{live.port}{live.mount.root}/api/echo"


def test_api_errors_are_problems(live: Gateway) -> None:
    for path, status in (("/api/nothing", 404), ("/api/boom", 500)):
        response = live.get(path)
        assert response.status == status
        assert response.get("Content-Type") == "application/problem+json"
        assert response.json()["status"] == status


def test_health(live: Gateway) -> None:
    for prefix in ("", "/api"):
        assert live.get(f"{prefix}/healthz").json() == {"status": "ok"}
        assert live.get(f"{prefix}/readyz").json()["status"] == "ready"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ],
)
def test_errors_are_in_the_form_that_was_asked_for(live: Gateway, accept: str, kind: str) -> None:
    response = live.get("/__fluxsync/nothing", [("Accept", accept)])

    assert (response.status, response.get("Content-Type")) == (404, kind)


def test_documents_set_the_replica_cookie(live: Gateway, seen: FakeStreamlit) -> None:
    def cookies(*headers: tuple[str, str]) -> list[str]:
        return live.get("/html", headers).all("Set-Cookie")

    path = live.mount.root or "/"
    assert cookies() == [f"fluxsync_replica=r1; Path={path}; HttpOnly; SameSite=Lax"]
    assert cookies(("Cookie", "fluxsync_replica=r1")) == []
    assert cookies(("Cookie", "fluxsync_replica=gone")) != []


def test_access_line(live: Gateway) -> None:
    start = len(live.lines)
    live.get("/bytes/5000?token=secret&page=2", [("X-Request-Id", "for-the-log")])

    line = live.wait_for_line("request_id=for-the-log", start=start)[0]
    text = next(text for text in live.lines[start:] if line in text)
    assert "GET /bytes/5000?token=***&page=2 200" in text
    assert "bytes=5000" in text
    assert "client=127.0.0.1" in text
    assert "duration_seconds=" in text
