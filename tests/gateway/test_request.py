"""What a request is, read from environs of several servers."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.config.platform import Platform
from fluxsync.gateway.request import Request, RequestReader
from fluxsync.sansio.balancing import Row, Table
from fluxsync.sansio.rootpath import Guess
from fluxsync.sansio.routing import Route
from fluxsync.sansio.supervision import State

NOWHERE = Platform()
CONNECT = Platform("Posit Connect", is_connect=True)
GUESSED = Platform("VS Code", guesses=(Guess("/proxy/8000", "VSCODE_PROXY_URI"),))


def read(
    raw: str = "/",
    settings: dict[str, t.Any] | None = None,
    platform: Platform = NOWHERE,
    **environ: t.Any,
) -> Request:
    base = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "example.org"}
    if raw:
        base["RAW_URI"] = raw
    reader = RequestReader(FluxSyncSettings(**(settings or {})), platform)
    return reader.read({**base, **environ})


@pytest.mark.parametrize(
    ("raw", "root", "target", "path"),
    [
        pytest.param("/a%2Fb?c", "", "/a%2Fb?c", "/a/b", id="no root"),
        pytest.param("/app/a%2Fb?c", "/app", "/a%2Fb?c", "/a/b", id="root is still there"),
        pytest.param("/a%2Fb?c", "/app", "/a%2Fb?c", "/a/b", id="root was stripped"),
        pytest.param("/application", "/app", "/application", "/application", id="shared prefix"),
        pytest.param("/app", "/app", "/", "/", id="root itself"),
        pytest.param("http://example.org/a?b", "", "/a?b", "/a", id="absolute form"),
    ],
)
def test_target_and_path(raw: str, root: str, target: str, path: str) -> None:
    request = read(raw, {"root_path": root})

    assert (str(request.target), request.path) == (target, path)
    assert request.is_bare_root == (raw == root)


def test_server_without_the_raw_target() -> None:
    request = read("", SCRIPT_NAME="/app", PATH_INFO="/caf\xc3\xa9 x", QUERY_STRING="a=b")

    assert str(request.target) == "/caf%C3%A9%20x?a=b"
    assert (request.root, request.path) == ("/app", "/caf\xc3\xa9 x")


@pytest.mark.parametrize("raw", ["*", "example.org:443", "ftp://example.org/"])
def test_targets_that_are_no_paths(raw: str) -> None:
    with pytest.raises(ValueError, match="is not a path"):
        read(raw)


@pytest.mark.parametrize(
    ("raw", "upgrade", "route"),
    [
        ("/", "", Route.STREAMLIT),
        ("/_stcore/stream", "websocket", Route.WEBSOCKET),
        ("/_stcore/stream", "h2c", Route.STREAMLIT),
        ("/api/x", "websocket", Route.API),
        ("/healthz", "", Route.HEALTH),
        ("/api/readyz", "", Route.READY),
        ("/__fluxsync/x", "", Route.INTERNAL),
        ("/_stcore/metrics", "", Route.PRIVATE),
    ],
)
def test_route(raw: str, upgrade: str, route: Route) -> None:
    assert read(raw, HTTP_UPGRADE=upgrade).route is route


def test_peer_on_a_unix_socket_is_local() -> None:
    request = read(settings={"trust_proxy": True}, REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="192.0.2.7")

    assert request.client.address == "192.0.2.7"


def test_headers() -> None:
    request = read(HTTP_X_A="1", CONTENT_TYPE="a/b", CONTENT_LENGTH="")

    assert request.headers == [("Host", "example.org"), ("X-A", "1"), ("Content-Type", "a/b")]
    assert [request.header(name) for name in ("x-a", "Content-Type", "x-b")] == ["1", "a/b", ""]


def test_session_is_not_logged() -> None:
    """Whatever its parameter is called; Streamlit gets it."""
    request = read("/?a=1&s=s3cret&b=2", {"url_session_query_param": "s"})

    assert request.exchange.query == "a=1&s=***&b=2"
    assert request.target.query == "a=1&s=s3cret&b=2"


def test_what_is_recorded_of_a_path() -> None:
    """Whatever is decided by it, and passed on, has it as it is."""
    request = read("/app/magic-link/Zk3xQ9vT1bW8nL5r", {"root_path": "/app"})

    assert request.exchange.path == "/magic-link/***"
    assert request.path == "/magic-link/Zk3xQ9vT1bW8nL5r" == str(request.target)


def test_replica_of_the_cookie() -> None:
    rows = [Row(f"r{n}", State.RUNNING, "127.0.0.1", n, True, "") for n in (1, 2)]
    request = read(HTTP_COOKIE="a=b; fluxsync_replica=r2")

    assert request.choose(Table(1, tuple(rows))) == rows[1]
    assert request.choose(Table()) is None


def test_headers_for_streamlit() -> None:
    request = read(
        settings={"root_path": "/app"},
        HTTP_COOKIE="a=b; fluxsync_replica=r2",
        HTTP_X_REMOTE_USER="admin",
        HTTP_CONNECTION="x-hop",
        HTTP_X_HOP="1",
        HTTP_X_REQUEST_ID="mine",
    )

    assert request.forwarded_headers() == [
        ("Cookie", "a=b"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "example.org"),
        ("X-Forwarded-Prefix", "/app"),
        ("X-Request-Id", "mine"),
    ]


def cookie_path(request: Request) -> str:
    return request.set_cookie("a", "b")[1].split("; ")[1]


@pytest.mark.parametrize(
    ("platform", "environ", "root", "cookie"),
    [
        pytest.param(NOWHERE, {"SCRIPT_NAME": "/app"}, "/app", "/app", id="server"),
        pytest.param(
            CONNECT,
            {"HTTP_RSTUDIO_CONNECT_APP_BASE_URL": "https://c.example/content/1"},
            "/content/1",
            "/",
            id="Connect moves cookies itself",
        ),
        pytest.param(CONNECT, {"SCRIPT_NAME": "/content/1"}, "/content/1", "/", id="its server"),
        pytest.param(GUESSED, {}, "/proxy/8000", "/", id="a guess"),
        pytest.param(
            GUESSED, {"RAW_URI": "/proxy/8000/x"}, "/proxy/8000", "/proxy/8000", id="confirmed"
        ),
    ],
)
def test_cookies_have_the_path_that_browsers_see(
    platform: Platform, environ: dict[str, str], root: str, cookie: str
) -> None:
    request = read("/", None, platform, **environ)

    assert request.root == root
    assert cookie_path(request) == f"Path={cookie}"


@pytest.mark.parametrize(
    ("environ", "route"),
    [
        pytest.param(
            {"HTTP_RSTUDIO_CONNECT_APP_BASE_URL": "https://connect.example/api"},
            Route.API,
            id="vanity URL like the API's path",
        ),
        pytest.param({"SCRIPT_NAME": "/api"}, Route.STREAMLIT, id="never removed by the server"),
    ],
)
def test_root_that_is_a_path_of_the_application(environ: dict[str, str], route: Route) -> None:
    """What a host has removed isn't removed a second time."""
    request = read("/api/users", None, CONNECT, **environ)

    assert (request.root, request.route) == ("/api", route)


@pytest.mark.parametrize(
    ("own", "claimed", "script_name", "root"),
    [
        pytest.param("", "/evil", "/evil", "", id="forged"),
        pytest.param("", "/evil", "/evil/sub", "/sub", id="forged around an application"),
        pytest.param("/app", "/evil", "/evil", "/app", id="forged over the server's own"),
        pytest.param("/app", "", "/app", "/app", id="the server's own"),
        pytest.param("/app", "/app", "/app", "/app", id="what is true anyway"),
        pytest.param("", "/a,/evil", "/evil", "", id="forged twice"),
        pytest.param("/app", "/evil,/a", "/evil", "/app", id="forged twice, the other way round"),
    ],
)
def test_script_name_of_a_header_field(
    monkeypatch: pytest.MonkeyPatch, own: str, claimed: str, script_name: str, root: str
) -> None:
    """gunicorn takes it from one, and may be told to believe everybody."""
    monkeypatch.setenv("SCRIPT_NAME", own)
    environ: dict[str, t.Any] = {"SCRIPT_NAME": script_name, "gunicorn.socket": None}
    if claimed:
        environ["HTTP_SCRIPT_NAME"] = claimed

    assert read(**environ).root == root
    trusting = {"forwarded_allow_ips": "192.0.2.0/24"}
    assert read("/", trusting, **environ).root == script_name


def test_user_of_posit_connect() -> None:
    credentials: dict[str, t.Any] = {
        "HTTP_RSTUDIO_CONNECT_CREDENTIALS": '{"user": "ada", "groups": ["staff"]}'
    }

    request = read("/", None, CONNECT, **credentials)
    assert request.user == ("ada", ("staff",))
    fields = dict(request.forwarded_headers())
    assert fields["X-Fluxsync-User"] == "ada"
    assert fields["X-Fluxsync-Groups"] == '["staff"]'
    assert "Rstudio-Connect-Credentials" in fields

    request = read("/", {"forwarded_allow_ips": "192.0.2.0/24"}, **credentials)
    assert request.user is None
    assert "X-Fluxsync-User" not in dict(request.forwarded_headers())
