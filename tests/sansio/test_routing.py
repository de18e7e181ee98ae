from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.routing import Route, is_streamlits_own, prefix_before, reserved_segment, route


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/", Route.STREAMLIT, id="page"),
        pytest.param("/api", Route.API, id="mount itself"),
        pytest.param("/api/users", Route.API, id="API"),
        pytest.param("/apis", Route.STREAMLIT, id="shared prefix"),
        pytest.param("/healthz", Route.HEALTH, id="health"),
        pytest.param("/api/healthz", Route.HEALTH, id="health under the API"),
        pytest.param("/readyz", Route.READY, id="ready"),
        pytest.param("/api/readyz", Route.READY, id="ready under the API"),
        pytest.param("/healthz/x", Route.STREAMLIT, id="below health"),
        pytest.param("/__fluxsync", Route.INTERNAL, id="ours"),
        pytest.param("/__fluxsync/metrics", Route.INTERNAL, id="below ours"),
        pytest.param("/__fluxsync/tunnel", Route.TUNNEL, id="tunnel"),
        pytest.param("/__fluxsync/tunnel/open", Route.TUNNEL, id="a tunnel's request"),
        pytest.param("/__fluxsync/tunnels", Route.INTERNAL, id="shared prefix with tunnel"),
        pytest.param("/_stcore/stream", Route.STREAMLIT, id="Streamlit's WebSocket"),
        pytest.param("/_stcore/health", Route.STREAMLIT, id="Streamlit's health"),
        pytest.param("/_stcore/metrics", Route.PRIVATE, id="figures about users"),
        pytest.param("/_stcore/metrics/", Route.PRIVATE, id="the same with a slash"),
        pytest.param("/_stcore/agent/x", Route.PRIVATE, id="agent's way in"),
        pytest.param("/tools/_stcore/stream", Route.MISPLACED, id="prefix that was left"),
        pytest.param("/a/b/__fluxsync/tunnel/open", Route.MISPLACED, id="prefix before ours"),
        pytest.param("/tools/_stcore", Route.STREAMLIT, id="nobody asks for this"),
        pytest.param("/media/_stcore/x", Route.STREAMLIT, id="user's file"),
        pytest.param("/component/a/_stcore/health", Route.STREAMLIT, id="component's file"),
        pytest.param("/tools/x_stcore/health", Route.STREAMLIT, id="another name"),
    ],
)
def test_route(path: str, expected: Route) -> None:
    assert route(path, "/api") is expected


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/tools/_stcore/health", "/tools"),
        ("/a/b/__fluxsync/shim.js", "/a/b"),
        ("/a/_stcore/__fluxsync/_stcore/x", "/a"),
        ("/_stcore/health", ""),
        ("/_stcore/_stcore/x", ""),
        ("/tools/static/js/index.js", ""),
    ],
)
def test_prefix_before(path: str, prefix: str) -> None:
    assert prefix_before(path) == prefix


def test_deeper_mount() -> None:
    assert route("/v1/api/x", "/v1/api") is Route.API
    assert route("/v1", "/v1/api") is Route.STREAMLIT


@pytest.mark.parametrize(
    ("segment", "owner"),
    [
        pytest.param("api", "the API (api_mount_path)", id="API"),
        pytest.param("healthz", "fluxsync", id="health"),
        pytest.param("__fluxsync", "fluxsync", id="ours"),
        pytest.param("_stcore", "Streamlit", id="Streamlit's"),
        pytest.param("apis", None, id="free"),
    ],
)
def test_reserved_segment(segment: str, owner: str | None) -> None:
    assert reserved_segment(segment, "/api") == owner


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/", False, id="page"),
        pytest.param("/other", False, id="another page"),
        pytest.param("/other/static/a.js", False, id="below a page"),
        pytest.param("/staticfiles", False, id="shared prefix"),
        pytest.param("//static", False, id="empty segment"),
        pytest.param("/static", True, id="frontend"),
        pytest.param("/component/name/index.html", True, id="component's page"),
        pytest.param("/app/static/report.html", True, id="user's file"),
        pytest.param("/_stcore/stream", True, id="endpoint"),
    ],
)
def test_is_streamlits_own(path: str, expected: bool) -> None:
    assert is_streamlits_own(path) is expected


@given(
    st.from_regex(r"/?[a-z_]{0,9}(/[a-z]{0,4})?", fullmatch=True), st.sampled_from(["/api", "/v1"])
)
def test_free_segments_are_streamlits(rest: str, mount: str) -> None:
    """A page that may be registered is never hidden by a route."""
    segment = rest.strip("/").split("/")[0]
    if reserved_segment(segment, mount) is None:
        assert route(f"/{segment}", mount) is Route.STREAMLIT
