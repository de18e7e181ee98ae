"""Root paths, and several Streamlit servers behind one gateway."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.gateways import MOUNTS, Gateway, Mount
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live_server

APP = {"FLUXSYNC_APP": "tests.live.apps:app"}


def test_both_kinds_of_requests_under_a_root(
    gateway: Callable[..., Gateway], upstream: FakeStreamlit
) -> None:
    """Whether the proxy strips the root need not be known."""
    server = gateway(env=APP, mount=MOUNTS["stripped"])

    for prefix in ("", "/subdir"):
        server.get(f"{prefix}/a%2Fb?c")
        answer = server.get(f"{prefix}/api/echo").json()
        assert answer["script_root"] == "/subdir/api"
    server.get("/subdirectory/x")

    targets = [request.target for request in upstream.requests]
    assert targets == ["/a%2Fb?c", "/a%2Fb?c", "/subdirectory/x"]


def test_root_without_its_slash(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    server = gateway(mount=Mount("/one/two"))

    response = server.get("/one/two?x=1")

    assert (response.status, response.get("Location")) == (307, "two/?x=1")
    assert server.get("/one/two/").status == 200
    assert [request.target for request in upstream.requests] == ["/"]


def test_root_without_its_slash_that_looks_like_a_url(gateway: Callable[..., Gateway]) -> None:
    """Only a dot in front makes it a path (RFC 3986 4.2)."""
    server = gateway(mount=Mount("/https:evil.example"))

    assert server.get("/https:evil.example").get("Location") == "./https:evil.example/"


def test_root_from_script_name(gateway: Callable[..., Gateway], upstream: FakeStreamlit) -> None:
    """The server's own mount, as with ``SCRIPT_NAME=/app gunicorn ...``."""
    server = gateway(env={**APP, "SCRIPT_NAME": "/app"}, mount=Mount("", "/app"))

    server.get("/page?x")
    answer = server.get("/api/echo").json()

    assert upstream.requests[0].target == "/page?x"
    assert upstream.requests[0].get("X-Forwarded-Prefix") == "/app"
    assert answer["script_root"] == "/app/api"


def test_browsers_stay_with_their_replica(
    gateway: Callable[..., Gateway], upstream: FakeStreamlit
) -> None:
    with FakeStreamlit() as second:
        server = gateway(
            env={"FLUXSYNC_STREAMLIT_UPSTREAM": f"{upstream.url}, {second.url}"}, upstream=None
        )
        replicas = {"r1": "RUNNING", "r2": "RUNNING"}
        eventually(lambda: server.get("/readyz").json()["replicas"] == replicas)
        counts = {}
        for replica in ("r1", "r2"):
            cookie = [("Cookie", f"fluxsync_replica={replica}")]
            upstream.reset()
            second.reset()
            for _ in range(5):
                server.get("/echo", cookie)
            with server.websocket(cookie) as websocket:
                websocket.echo("hello")
            counts[replica] = (len(upstream.requests), len(second.requests))

    assert counts == {"r1": (6, 0), "r2": (0, 6)}
