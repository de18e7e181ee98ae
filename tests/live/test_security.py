"""What one user, or a foreign page, must never get or say through the gateway."""

from __future__ import annotations

import typing as t

import pytest

from tests.support import websocket as websockets
from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live_server

LIES = [
    ("X-Remote-User", "admin"),
    ("Remote-User", "admin"),
    ("X-Forwarded-User", "admin"),
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "1"),
    ("X-Forwarded-Prefix", "/evil"),
    ("Forwarded", "for=6.6.6.6"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Auth-Request-Email", "admin@example.org"),
    ("RStudio-Connect-Credentials", '{"user": "admin"}'),
    ("X-Fluxsync-Replica", "r-forged"),
    ("X-Ms-Client-Principal", "admin"),
]
WORDS = ("admin", "6.6.6.6", "evil", "https", "r-forged")


def test_cookies_never_cross_users(live: Gateway, seen: FakeStreamlit) -> None:
    """All requests share one pool of connections, and nothing else."""
    cookies = live.get("/set-cookie", [("Cookie", "user=first")]).all("Set-Cookie")
    live.get("/echo/second")
    live.get("/echo/third", [("Cookie", "user=third")])

    assert len(cookies) == 2
    _, second, third = seen.requests
    assert not second.all("Cookie")
    assert third.get("Cookie") == "user=third"


def test_lies_do_not_reach_streamlit(live: Gateway, seen: FakeStreamlit) -> None:
    live.get("/echo", LIES)
    with live.websocket(LIES):
        seen.wait_for_websocket()

    for request in seen.requests:
        values = " ".join(value for _, value in request.headers)
        assert not [word for word in WORDS if word in values], request.headers
        assert request.get("X-Forwarded-For") == "127.0.0.1"
        assert request.get("X-Forwarded-Proto") == "http"
        assert request.get("X-Forwarded-Prefix") == live.mount.root


def test_lies_do_not_reach_the_api(live: Gateway) -> None:
    answer = live.get("/api/echo", LIES).json()

    values = " ".join(value for _, value in answer["headers"])
    assert not [word for word in WORDS if word in values], answer
    assert answer["remote_addr"] == "127.0.0.1"
    assert answer["scheme"] == "http"
    assert answer["url"].startswith(f"http://127.0.0.1:{live.port}/")


def test_trusted_proxies_are_believed(
    gateway: Callable[..., Gateway], upstream: FakeStreamlit
) -> None:
    server = gateway(env={"FLUXSYNC_TRUST_PROXY": "true", "FLUXSYNC_APP": "tests.live.apps:app"})
    told = [
        ("X-Forwarded-For", "1.1.1.1, 203.0.113.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "app.example.org"),
        ("X-Remote-User", "ada"),
        ("X-Fluxsync-Replica", "r-forged"),
    ]

    server.get("/echo", told)
    answer = server.get("/api/echo", told).json()

    request = upstream.requests[-1]
    assert request.get("X-Forwarded-For") == "1.1.1.1, 203.0.113.9, 127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "https"
    assert request.get("X-Forwarded-Host") == "app.example.org"
    assert request.get("Host") == "app.example.org"
    assert request.get("X-Remote-User") == "ada"
    assert not request.all("X-Fluxsync-Replica")
    assert answer["remote_addr"] == "203.0.113.9"
    assert answer["url"].startswith("https://app.example.org/api/")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "nonsense"]
)
def test_foreign_pages_change_nothing(live: Gateway, seen: FakeStreamlit, origin: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        response = live.request(method, "/_stcore/upload_file/a/b", [("Origin", origin)], b"x")
        assert response.status == 403
        assert "allowed_origins" in response.text
    assert live.get("/echo", [("Origin", origin)]).status == 200

    assert [r.path for r in seen.requests] == ["/echo"]


def test_cross_site_posts_without_an_origin(live: Gateway, seen: FakeStreamlit) -> None:
    assert live.post("/echo", b"x", [("Sec-Fetch-Site", "cross-site")]).status == 403
    assert live.post("/echo", b"x", [("Sec-Fetch-Site", "same-origin")]).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_foreign_pages_open_no_websocket(live: Gateway, seen: FakeStreamlit, origin: str) -> None:
    with live.connection() as connection:
        target = live.target(websockets.PATH)
        response = websockets.handshake(connection, target, [("Origin", origin)])

    assert response.status == 403
    assert not seen.requests


def test_welcome_origins(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    env = {
        "FLUXSYNC_PUBLIC_BASE_URL": "https://public.example/app",
        "FLUXSYNC_ALLOWED_ORIGINS": "https://one.example, https://two.example:8443",
    }
    server = gateway(env=env)
    for origin in ("https://public.example", "https://one.example", "https://two.example:8443"):
        assert server.post("/echo", b"", [("Origin", origin)]).status == 200
        with server.websocket([("Origin", origin)]):
            # Streamlit compares the two to the letter.
            handshake = upstream.requests[-1]
            assert handshake.get("Host") == origin.removeprefix("https://")
            assert handshake.get("Origin") == origin
    assert server.post("/echo", b"", [("Origin", "https://two.example")]).status == 403
