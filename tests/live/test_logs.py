"""What the processes of a server write: which lines, in which format, and no secret in any."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest

from tests.conftest import StartServer
from tests.live.served import Application, Fluxsync
from tests.support import frames, websocket
from tests.support.gateways import Gateway
from tests.support.processes import PYTHON, environment
from tests.support.tunnel import Tunnel
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import FACTOR

pytestmark = pytest.mark.live_server

#: All secrets have this in them, and the place where they were planted behind it.
PLANTED = "pl4nted-and-long-enough-for-anything"


def planted(place: str) -> str:
    """Return a secret that tells where it came from."""
    return f"{PLANTED}-{place}"


SETTINGS = {
    "FLUXSYNC_SESSION_SECRET": planted("session_secret"),
    "FLUXSYNC_JWT_HS256_SECRET": planted("jwt_hs256_secret"),
    "FLUXSYNC_OIDC_BFF_SECRET": planted("oidc_bff_secret"),
    "FLUXSYNC_OPERATIONS_TOKEN": planted("operations_token"),
    "FLUXSYNC_SESSION_STORE": f"redis://ada:{planted('store')}@127.0.0.1:1/0",
}
FIELDS = [
    ("Authorization", f"Digest user=ada, response={planted('authorization')}"),
    ("Cookie", f"a=1; theme={planted('cookie')}; b=2"),
    ("X-Api-Key", planted("x-api-key")),
    ("Proxy-Authorization", f"Basic {planted('proxy-authorization')}"),
]
KEYS = ("token", "access_token", "code", "state", "api_key", "password", "fluxsync_sid", "sig")
QUERY = "page=2&" + "&".join(f"{key}={planted(f'query-{key}')}" for key in KEYS)

#: Its views fail with what they know, and its pages print what they know.
APP = f"""
import os, sys

import flask

from fluxsync import FluxSync

app = FluxSync(title="Secrets")

if "_FLUXSYNC_PAGES" in os.environ:
    print("api_key={planted("print")}", file=sys.stderr)
    print("the secret is", os.environ["FLUXSYNC_SESSION_SECRET"], flush=True)


@app.api.get("/boom")
def boom():
    request = flask.request
    app.api.logger.warning("headers: %s", dict(request.headers), extra={{"url": request.url}})
    app.api.logger.info("pairs: %s", list(request.headers), extra={{"password": "{planted("extra")}"}})
    password = "{planted("code")}"
    raise RuntimeError(f"password={planted("exception")} {{request.url}} {{request.environ}}")


@app.api.get("/session")
def session():
    app.session_store.get("some-id")


@app.websocket("/fails")
def fails(ws):
    raise RuntimeError(f"token={planted("websocket")} {{ws.environ}}")


@app.page("/")
def home(st):
    st.write("Hello")
"""


def commit_all_indiscretions(server: Gateway) -> None:
    """Send secrets to everything that answers."""
    paths = ("/", "/api/boom", "/api/session", "/api/nothing", "/healthz", "/nothing", "/%zz")
    for path in (*paths, "/__fluxsync/nothing", "/__fluxsync/metrics", "/__fluxsync/debug"):
        server.get(f"{path}?{QUERY}", FIELDS)
    server.post(f"/api/boom?{QUERY}", b"password=x", FIELDS)
    for path in (f"/_stcore/stream?{QUERY}", f"/api/fails?{QUERY}"):
        with server.connection() as connection:
            websocket.handshake(connection, server.target(path), FIELDS)
            connection.send(frames.close(1000).encode(b"abcd"))
            while connection.fill():
                pass
    with server.connection() as connection:  # refused
        foreign = [*FIELDS, ("Origin", f"https://ada:{planted('origin')}@example.org")]
        websocket.handshake(connection, server.target(f"/_stcore/stream?{QUERY}"), foreign)
    with Tunnel(server.port, headers=FIELDS) as tunnel:
        assert tunnel.open().status == 200
    # What isn't HTTP reaches the server only.
    with server.connection() as connection:
        connection.send(f"GET /?{QUERY}\r\nCookie: {planted('malformed')}\r\n\r\n".encode())


def commands(server: Application) -> str:
    """Return what our other commands say about all this."""
    wrong = {
        **server.env,
        "FLUXSYNC_SESSION_SECRET": "pl4nted",
        "FLUXSYNC_SESSION_STORE": f"redi://ada:{planted('wrong-store')}@127.0.0.1",
    }
    said = ""
    for command, env in (
        (("config",), server.env),
        (("config", "--json"), server.env),
        (("status",), server.env),
        (("config",), wrong),
        (("config",), {**wrong, "FLUXSYNC_SESSION_SECRET": ""}),
    ):
        ended = subprocess.run(
            [*PYTHON, "-m", "fluxsync", *command],
            env=environment(env),
            cwd=server.directory,
            capture_output=True,
            text=True,
            timeout=30 * FACTOR,
        )
        assert "Traceback" not in ended.stderr
        said += ended.stdout + ended.stderr
    return said


def leaks(output: str) -> list[str]:
    """Return the lines with a secret."""
    return [line for line in output.splitlines() if "pl4nted" in line]


def records(server: Gateway) -> list[dict[str, t.Any]]:
    """Return what the JSON lines say."""
    return [json.loads(line) for line in server.lines if line.startswith("{")]


@pytest.mark.streamlit
def test_no_secret_in_json(serve: StartServer) -> None:
    """Nor in any other line; each one on standard error is JSON."""
    env = {**SETTINGS, "FLUXSYNC_LOG_FORMAT": "json", "FLUXSYNC_LOG_LEVEL": "debug"}
    server = Fluxsync("run", files={"app.py": APP}, env=env)
    serve(server)
    commit_all_indiscretions(server)
    for path in ("/api/reset-password", "/magic-link", "/_stcore/upload_file"):
        server.get(f"{path}/{planted('path')}", FIELDS)
        server.get(f"{path}/{planted('path')}/below", FIELDS)
    said = commands(server)
    server.stop()

    assert leaks(server.output) == []
    assert leaks(said) == []
    assert [line for line in server.lines if not line.startswith("{")] == [
        f"Running on http://127.0.0.1:{server.port}"
    ]
    found = records(server)
    messages = [record["message"] for record in found if record["logger"] == "fluxsync.streamlit"]
    assert {"api_key=***", "the secret is ***"} <= set(messages)
    # A failure is logged once, and with the request's id.
    failures = [r for r in found if r["message"] == "Exception on /boom [GET]"]
    requests = [r for r in found if r["message"].startswith("GET /api/boom?page=2&token=***&")]
    assert len(failures) == len(requests) == 1
    assert failures[0]["request_id"] == requests[0]["request_id"]
    assert failures[0]["exception"]["type"] == "RuntimeError"


def test_no_secret_in_text(serve: StartServer, upstream: FakeStreamlit) -> None:
    """Under a gunicorn that is somebody else's, and logs requests, too."""
    args = ("--access-logfile", "-", "--log-level", "debug")
    env = {**SETTINGS, "FLUXSYNC_LOG_LEVEL": "debug"}
    server = Application("app:app", files={"app.py": APP}, env=env, args=args)
    server.env["FLUXSYNC_STREAMLIT_UPSTREAM"] = upstream.url
    serve(server)
    commit_all_indiscretions(server)
    server.stop()

    assert leaks(server.output) == []
    assert " 500 " in server.wait_for_line(r'"GET /api/boom\?page=2&token=\*\*\*&.*')[0]


def test_lines_of_connections(serve: StartServer, upstream: FakeStreamlit) -> None:
    """A request has one line; a WebSocket and a tunnel have two, and nothing else has any."""
    server = Fluxsync("run", env={"FLUXSYNC_LOG_FORMAT": "json"})
    server.env["FLUXSYNC_STREAMLIT_UPSTREAM"] = upstream.url
    serve(server)
    begun = len(server.lines)
    server.get("/a", [("X-Request-Id", "get")])
    with server.websocket([("X-Request-Id", "websocket")]) as connection:
        connection.echo("hello")
        connection.send(frames.close(1000))
        assert connection.receive() == frames.close(1000)
    with server.connection() as refused:
        headers = [("X-Request-Id", "refused"), ("Origin", "https://example.org")]
        assert websocket.handshake(refused, websocket.PATH, headers).status == 403
    with Tunnel(server.port, headers=[("X-Request-Id", "tunnel")]) as tunnel:
        assert tunnel.open().status == 200
        assert tunnel.echo("hello") == "hello"
    ends = (r'"websocket closed"', r'"tunnel closed"', r'"get"', r'"refused"')
    for end in ends:
        server.wait_for_line(end, start=begun)
    lines = [json.loads(line) for line in server.lines[begun:]]

    def of(request_id: str) -> list[tuple[str, t.Any, t.Any]]:
        mine = [line for line in lines if line.get("request_id") == request_id]
        return [(line["message"], line["transport"], line.get("code")) for line in mine]

    assert of("get") == [("GET /a 200", "http", None)]
    assert of("refused") == [("GET /_stcore/stream 403", "websocket", None)]
    opened, closed = of("websocket")
    assert opened == ("websocket opened", "websocket", None)
    assert closed == ("websocket closed", "websocket", 1000)
    assert of("tunnel") == [
        ("tunnel opened", "long-poll", None),
        ("tunnel closed", "long-poll", 1001),
    ]
    (end,) = (line for line in lines if line["message"] == "websocket closed")
    assert (end["bytes_in"], end["client"]) == (6 + 5 + 8, "127.0.0.1")
    assert end["bytes_out"] > 0
    assert end["duration_seconds"] > 0
    assert len([line for line in lines if line["logger"] != "fluxsync.supervisor"]) == 6
