"""Posit Connect, as far as it's known: it starts a WSGI server of its own, and publishes it.

Its content settings and its licence can't be had here. What it does to requests and processes
is imitated: another user, a masked home, a read-only folder, a server that nobody chose, a path
that is removed, no WebSockets.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fluxsync.scaffold import project
from tests.conftest import StartServer
from tests.support import http
from tests.support.browser import TIMEOUT, Tab
from tests.support.containers import Contained
from tests.support.hosts import PROFILES
from tests.support.meddlers import Meddler
from tests.support.processes import environment
from tests.support.waiting import FACTOR, eventually

expect.set_options(timeout=TIMEOUT)

HOST = PROFILES["connect without WebSockets"]
MOUNT = HOST.mount

#: Some WSGI server's own program, which says nothing about what it loads.
RUNNER = """
import sys

from gunicorn.app.base import BaseApplication
from gunicorn.util import import_app


class Content(BaseApplication):
    def load_config(self):
        for option in sys.argv[1:]:
            name, _, value = option.partition("=")
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self):
        sys.path.insert(0, ".")
        return import_app("app:app")


Content().run()
"""


class Content(Contained):
    """A new project as Connect would run it."""

    def __init__(self, *command: str) -> None:
        super().__init__(*command, env=HOST.environ)
        project.create_project(self.directory, "my-app", "posit")


class OnUnixSocket(Content):
    """The same, on a Unix socket instead of a port."""

    def __init__(self, *command: str) -> None:
        super().__init__(*command)
        self.path = self.temporary / "content.sock"
        self.args = (*self.args, "--bind", f"unix:{self.path}")

    def connection(self) -> http.UnixConnection:
        return http.UnixConnection(str(self.path))


@pytest.mark.parametrize("entry_point", ["app:app", "fluxsync.wsgi:app"])
def test_manifest(entry_point: str, tmp_path: Path) -> None:
    """The real tool takes a new project as it is."""
    project.create_project(tmp_path, "my-app", "posit")
    rsconnect = Path(sys.executable).with_name("rsconnect")
    options = ("--entrypoint", entry_point, "--exclude", "tests/*")
    result = subprocess.run(
        [rsconnect, "write-manifest", "api", *options, "."],
        cwd=tmp_path,
        env=environment({"HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=60 * FACTOR,
    )
    assert result.returncode == 0, result.stdout + result.stderr

    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["metadata"] == {"appmode": "python-api", "entrypoint": entry_point}
    assert manifest["python"]["package_manager"]["package_file"] == "requirements.txt"
    assert manifest["environment"]["python"]["requires"] == ">=3.10,<3.14"
    assert set(manifest["files"]) == set(project.PROFILES["posit"].files) - {"tests/test_app.py"}
    for name, file in manifest["files"].items():
        assert file["checksum"] == hashlib.md5((tmp_path / name).read_bytes()).hexdigest()


def test_entry_points(tmp_path: Path) -> None:
    """Both are the same application, and Connect may import it anywhere."""
    project.create_project(tmp_path, "my-app", "posit")
    code = (
        "import sys, threading, app, fluxsync.wsgi\n"
        "assert app.app is fluxsync.wsgi.app\n"
        "assert 'streamlit' not in sys.modules\n"
        "assert threading.active_count() == 1\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60 * FACTOR,
    )
    assert result.returncode == 0, result.stderr


def check_processes(server: Contained, workers: int) -> None:
    """However many worker processes Connect has for it, they share one Streamlit."""
    eventually(lambda: len(server.workers()) == workers, 20, "all workers")
    assert len(server.supervisors()) == 1
    assert len(server.streamlits()) == 1
    assert not {p.pid for p in server.workers()} & {p.ppid() for p in server.streamlits()}


@pytest.mark.live_server
@pytest.mark.streamlit
@pytest.mark.browser
def test_published(serve: StartServer, tab: Tab) -> None:
    """Two sync workers, no WebSockets, and a path that the application doesn't see."""
    server = Content("-c", RUNNER, "workers=2", "worker_class=sync", "control_socket_disable=true")
    server.args = (*server.args, f"bind=127.0.0.1:{server.port}")
    serve(server)
    with Meddler(server.port, does=HOST.does_to(server.port)) as connect:
        tab.page.goto(f"http://127.0.0.1:{connect.port}{MOUNT}/")
        expect(tab.page.get_by_role("heading", name="My app", level=1)).to_be_visible()
        expect(tab.page.get_by_text("Hello from the API")).to_be_visible()
        api = http.get(connect.port, f"{MOUNT}/api/hello")
        assert api.json() == {"message": "Hello from the API"}
        tab.page.goto("about:blank")
    check_processes(server, 2)
    assert server.stop(signal.SIGTERM) == 0


@pytest.mark.live_server
@pytest.mark.streamlit
def test_unix_socket(serve: StartServer) -> None:
    """One gthread worker on a Unix socket; the path comes along as ``SCRIPT_NAME``."""
    server = OnUnixSocket("-m", "gunicorn", "app:app", "-k", "gthread")
    serve(server)
    mount = [("SCRIPT_NAME", MOUNT), ("RStudio-Connect-App-Base-URL", f"https://c.example{MOUNT}")]

    def get(target: str) -> http.Response:
        with server.connection() as connection:
            return connection.request("GET", target, mount)

    eventually(lambda: get(f"{MOUNT}/readyz").status == 200, 30, lambda: server.output)
    page = get(f"{MOUNT}/")
    assert page.status == 200
    # Connect puts its own path in front.
    assert [cookie for cookie in page.all("Set-Cookie") if "Path=/;" not in cookie] == []
    assert get(f"{MOUNT}/api/hello").json() == {"message": "Hello from the API"}
    check_processes(server, 1)
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    server.path.unlink()
    server.wait_gone()
