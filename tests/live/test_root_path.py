"""Who says under which path the application is, and who isn't believed."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.support.gateways import Gateway, Mount
from tests.support.upstream import FakeStreamlit

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live_server

APP = {"FLUXSYNC_APP": "tests.live.apps:app"}
CONNECT = {**APP, "POSIT_PRODUCT": "CONNECT"}
FORGED = [
    ("SCRIPT_NAME", "/evil"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Script-Name", "/evil"),
    ("X-Forwarded-Context", "/evil"),
    ("X-RSC-Request", "https://c.example/evil/api/echo"),
    ("RStudio-Connect-App-Base-URL", "https://c.example/evil"),
    ("RStudio-Connect-Credentials", '{"user": "admin", "groups": ["admins"]}'),
    ("X-Fluxsync-User", "admin"),
    ("X-Fluxsync-Groups", '["admins"]'),
    ("Posit-Connect-User-Session-Token", "admin"),
]


def told(upstream: FakeStreamlit, name: str) -> str:
    return upstream.requests[-1].get(name)


def test_forged_fields(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    """As on Heroku, where gunicorn is told to believe everybody."""
    server = gateway(env={**APP, "FORWARDED_ALLOW_IPS": "*"})

    # gunicorn itself refuses targets that aren't below what the field says.
    response = server.get("/evil/echo", FORGED)
    answer = server.get("/api/echo", FORGED[1:]).json()

    assert response.status == 200
    assert upstream.requests[0].target == "/evil/echo"
    for request in upstream.requests:
        assert not [value for _, value in request.headers if "evil" in value or "admin" in value]
    assert answer["script_root"] == "/api"
    assert answer["remote_user"] is None
    assert not [value for _, value in answer["headers"] if "evil" in value or "admin" in value]
    assert server.get("/api/echo", FORGED).status == 500


def test_forged_script_name(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    server = gateway(env={**APP, "FORWARDED_ALLOW_IPS": "*"})

    response = server.get("/api/echo", [("SCRIPT_NAME", "/api")])

    assert response.json()["script_root"] == "/api"
    assert response.json()["path"] == "/echo"


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Script-Name", "X-Forwarded-Context"])
@pytest.mark.parametrize("sent", ["", "/tools"], ids=["stripped", "full"])
def test_trusted_proxy(
    gateway: Callable[..., Gateway], upstream: FakeStreamlit, name: str, sent: str
) -> None:
    server = gateway(env={**APP, "FLUXSYNC_TRUST_PROXY": "true"}, mount=Mount("", sent))
    field = [(name, "/tools/")]

    response = server.get("/set-cookie", field)

    assert told(upstream, "X-Forwarded-Prefix") == "/tools"
    assert [cookie for cookie in response.all("Set-Cookie") if "Path=/tools" in cookie]
    assert server.get("/api/echo", field).json()["script_root"] == "/tools/api"


def test_posit_connect(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    """Its fields are believed; cookies keep their path, as Connect moves them itself."""
    server = gateway(env=CONNECT)
    user = {"user": "ada", "groups": ["staff", "r-users"]}
    fields = [
        ("RStudio-Connect-App-Base-URL", "https://c.example/content/1234/"),
        ("RStudio-Connect-Credentials", json.dumps(user)),
        ("X-Fluxsync-User", "forged"),
    ]

    response = server.get("/set-cookie", fields)
    with server.websocket(fields):
        upstream.wait_for_websocket()
    answer = server.get("/api/echo", fields).json()

    for request in upstream.requests:
        assert request.all("X-Fluxsync-User") == ["ada"]
        assert json.loads(request.get("X-Fluxsync-Groups")) == ["staff", "r-users"]
        assert json.loads(request.get("RStudio-Connect-Credentials")) == user
        assert request.get("X-Forwarded-Prefix") == "/content/1234"
    assert not [c for c in response.all("Set-Cookie") if "/content" in c]
    assert answer["script_root"] == "/content/1234/api"
    assert (answer["remote_user"], answer["groups"]) == ("ada", ["staff", "r-users"])


@pytest.mark.parametrize("credentials", ["", "nonsense", '{"groups": ["admins"]}'])
def test_anonymous_user_of_posit_connect(
    gateway: Callable[..., Gateway], upstream: FakeStreamlit, credentials: str
) -> None:
    server = gateway(env=CONNECT)
    fields = [("RStudio-Connect-Credentials", credentials)] if credentials else []

    server.get("/echo", fields)
    answer = server.get("/api/echo", [*fields, ("X-Remote-User", "admin")]).json()

    assert not upstream.requests[-1].all("X-Fluxsync-User")
    assert answer["remote_user"] is None


def test_workbench(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    """It rewrites the host, and says nothing about the browser's."""
    env = {"RS_SERVER_URL": "https://wb.example/", "RS_SESSION_URL": "/s/1234/"}
    server = gateway(env={**APP, **env})
    public = [("Origin", "https://wb.example")]

    assert server.post("/echo", b"", public).status == 200
    assert server.post("/echo", b"", [("Origin", "https://evil.example")]).status == 403
    with server.websocket(public):
        handshake = upstream.requests[-1]

    assert handshake.get("Host") == "wb.example"
    assert handshake.get("X-Forwarded-Prefix").startswith("/s/1234/p/")


def test_public_url(gateway: Callable[..., Gateway]) -> None:
    """Absolute links are right where a proxy changes the host, and whatever a client makes up."""
    server = gateway(env={**APP, "FLUXSYNC_PUBLIC_BASE_URL": "https://example.org/tools"})

    for host in ("localhost:8000", "evil.example"):
        answer = server.get("/api/echo", [("Host", host)]).json()
        assert answer["url"] == "https://example.org/tools/api/echo"
