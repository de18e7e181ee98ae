"""Platforms that start ``web: gunicorn fluxsync.wsgi``, and set variables as they see fit."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import typing as t

import psutil
import pytest
from playwright.sync_api import expect

from fluxsync import FluxSyncSettings
from fluxsync.serving.gunicorn import server_settings
from tests.conftest import StartServer
from tests.support import frames, http
from tests.support.browser import TIMEOUT, Tab
from tests.support.containers import Contained
from tests.support.processes import PYTHON, ROOT, environment
from tests.support.waiting import FACTOR, eventually
from tests.support.websocket import RawWebSocket

expect.set_options(timeout=TIMEOUT)

FILES = ROOT / "deploy" / "procfile"
CONFIGURED = (FILES / "Procfile").read_text().removeprefix("web: ").strip()
BARE = "gunicorn fluxsync.wsgi"

#: What Heroku's buildpack sets, with more workers than it does for 512 MB.
PLATFORM = {
    "WEB_CONCURRENCY": "3",
    "FORWARDED_ALLOW_IPS": "*",
    "GUNICORN_CMD_ARGS": "--access-logfile -",
}

APP = """
import os
import time
from pathlib import Path

import flask

from fluxsync import FluxSync

# Streamlit's process is told what to load, and gunicorn's workers aren't.
while "FLUXSYNC_APP" in os.environ and Path("hold").exists():
    time.sleep(0.01)

app = FluxSync(title="Small")


@app.api.get("/seen")
def seen():
    request = flask.request
    return {
        "address": request.remote_addr,
        "url": request.url,
        "root": request.script_root,
        "link": flask.url_for("seen", _external=True),
    }


@app.api.get("/hang")
def hang():
    time.sleep(3600)


@app.page("/", title="Home")
def home(st, client):
    st.title("Small")
    st.write(client.get("/seen").json()["root"])
"""

FORGED = (
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Prefix", "/api"),
    ("SCRIPT_NAME", "/api"),
    ("PATH_INFO", "/hang"),
)


def web(command: str, *, hold: bool = False, grace: int = 3) -> Contained:
    env = {**PLATFORM, "FLUXSYNC_GRACEFUL_TIMEOUT_S": str(grace)}
    server = Contained("-m", *shlex.split(command), env=env)
    (server.directory / "app.py").write_text(APP)
    if hold:
        (server.directory / "hold").touch()
    return server


def check_start(server: Contained) -> None:
    """Nobody waits for Streamlit, which isn't let: the page says so, and the API answers."""
    page = server.get("/", [("Accept", "text/html")])
    assert page.status == 503
    assert page.get("Retry-After") == "1"
    assert "Streamlit is starting" in page.text
    assert server.get("/readyz").status == 503
    assert server.get("/api/seen").status == 200


def check_processes(server: Contained) -> None:
    """There is one Streamlit, whatever the platform thinks of workers."""
    workers = int(PLATFORM["WEB_CONCURRENCY"])
    eventually(lambda: len(server.workers()) == workers, 20, "all workers")
    assert len(server.supervisors()) == 1
    assert len(server.streamlits()) == 1


def check_forged(server: Contained) -> None:
    """gunicorn has been told to believe everybody, and nothing comes of it."""
    truth = server.get("/api/seen")
    assert truth.json()["address"] == "127.0.0.1"
    forged = server.get("/api/seen", FORGED)
    assert (forged.status, forged.json()) == (200, truth.json())


def check_end(server: Contained, end: t.Callable[[], None]) -> None:
    """Browsers are told, whatever the way it ends."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(RawWebSocket(server.port)) for _ in range(2)]
        end()
        for websocket in sockets:
            frame = websocket.receive()
            while frame is not None and frame.opcode != frames.CLOSE:
                frame = websocket.receive()
            assert frame is not None, "closed without a word"
            assert frame.close_code in (1001, 1012)


def end_everybody(server: Contained) -> None:
    """Send SIGTERM to all processes, as Heroku does."""
    for process in server.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()


@pytest.mark.live_server
@pytest.mark.streamlit
@pytest.mark.browser
def test_with_configuration(serve: StartServer, tab: Tab) -> None:
    server = web(CONFIGURED, hold=True)
    serve(server)
    server.wait_for_line(rf"Listening at: http://0\.0\.0\.0:{server.port} ")
    check_start(server)
    tab.page.goto(server.url())
    expect(tab.page.get_by_text("Streamlit is starting")).to_be_visible()
    server.remove("hold")
    expect(tab.page.get_by_role("heading", name="Small", level=1)).to_be_visible()
    expect(tab.page.get_by_text("/api", exact=True)).to_be_visible()
    tab.page.goto("about:blank")
    check_processes(server)
    check_forged(server)
    assert "Using worker: gthread" in server.output
    with http.Connection(server.port) as connection:
        connection.send_request("GET", "/api/hang")
        check_end(server, lambda: end_everybody(server))
        assert server.wait() == 0
    server.wait_gone()
    # No worker had it started again for the request that went on.
    assert server.output.count("replica is STARTING") == 1


@pytest.mark.live_server
@pytest.mark.streamlit
def test_without_configuration(serve: StartServer) -> None:
    server = web(BARE, hold=True)
    serve(server)
    server.wait_for_line(rf"Listening at: http://0\.0\.0\.0:{server.port} ")
    check_start(server)
    server.remove("hold")
    server.wait_ready()
    check_processes(server)
    check_forged(server)
    assert "Using worker: sync" in server.output

    def twice() -> None:
        end_everybody(server)
        end_everybody(server)

    check_end(server, twice)
    server.wait()
    server.wait_gone()


@pytest.mark.live_server
@pytest.mark.streamlit
def test_killed_after_its_time(serve: StartServer) -> None:
    """A request goes on and on; the platform's patience ends."""
    server = web(CONFIGURED, grace=60)
    serve(server)
    server.wait_ready()
    with http.Connection(server.port) as connection:
        connection.send_request("GET", "/api/hang")

        def end() -> None:
            server.send_signal(signal.SIGTERM)
            server.wait_for_line("Handling signal: term")
            os.killpg(server.pid, signal.SIGKILL)

        check_end(server, end)
    assert server.wait() == -signal.SIGKILL
    server.wait_gone()


def configuration(
    *options: str, cwd: os.PathLike[str], env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Return what gunicorn makes of its configuration."""
    upstream = {"FLUXSYNC_STREAMLIT_UPSTREAM": "http://127.0.0.1:9"}
    return subprocess.run(
        [*PYTHON, "-m", "gunicorn", *options, "--print-config", "fluxsync.wsgi"],
        cwd=cwd,
        env=environment({**PLATFORM, **upstream, **env}),
        capture_output=True,
        text=True,
        timeout=30 * FACTOR,
    )


MODULE = ("-c", "python:fluxsync.gunicorn_conf")


@pytest.mark.parametrize("how", ["module", "file"])
def test_configuration(how: str, tmp_path: os.PathLike[str]) -> None:
    """Both ways to have it say the same."""
    options = MODULE if how == "module" else ()
    cwd = tmp_path if how == "module" else FILES
    shown = configuration(*options, cwd=cwd, env={"PORT": "5000", "FLUXSYNC_THREADS": "5"})
    assert shown.returncode == 0, shown.stderr
    values = dict(re.findall(r"^(\w+) += (.*)$", shown.stdout, re.MULTILINE))
    assert values["bind"] == "['0.0.0.0:5000']"
    assert values["workers"] == PLATFORM["WEB_CONCURRENCY"]
    assert values["worker_class"] == "gthread"
    assert values["threads"] == "5"
    assert values["keepalive"] == "95"
    assert values["forwarded_allow_ips"] == "['127.0.0.1', '::1']"
    assert values["accesslog"] == "-"  # the platform's wish


@pytest.mark.parametrize(("how", "log_format"), [("module", "text"), ("file", "json")])
def test_configuration_that_is_wrong(how: str, log_format: str, tmp_path: os.PathLike[str]) -> None:
    options = MODULE if how == "module" else ()
    cwd = tmp_path if how == "module" else FILES
    env = {"FLUXSYNC_THREADS": "many", "FLUXSYNC_LOG_FORMAT": log_format}
    shown = configuration(*options, cwd=cwd, env=env)
    assert shown.returncode == 2
    (line,) = shown.stderr.splitlines()
    words = json.loads(line)["message"] if log_format == "json" else line
    assert words.startswith("Error: threads='many' from environment: expected an integer")


def test_limits_of_platforms() -> None:
    """Something is sent before a platform takes a connection for dead."""
    settings = FluxSyncSettings()
    # Scalingo: 29 s of silence; Heroku: 30 s to the first byte, then 55 s.
    assert 0 < settings.gateway_ws_ping_interval_s < 29
    assert settings.gateway_tunnel_wait_s < 29
    # Heroku's router keeps connections for 90 s.
    assert server_settings(settings)["keepalive"] > 90


def test_files_agree() -> None:
    assert f"    command: {CONFIGURED}\n" in (FILES / "manifest.yml").read_text()
    assert (FILES / "requirements.txt").read_text() == "fluxsync\n"
    (check,) = json.loads((FILES / "app.json").read_text())["healthchecks"]["web"]
    assert check["path"] == "/readyz"
    template = ROOT / "fluxsync" / "scaffold" / "templates" / "Procfile.tmpl"
    assert template.read_text() == (FILES / "Procfile").read_text()
    version = (FILES / ".python-version").read_text().strip()
    assert f"Python :: {version}\n" in (ROOT / "setup.cfg").read_text()
