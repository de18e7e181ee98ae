"""The demo behind a real Jupyter server with jupyter-server-proxy."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import typing as t
from pathlib import Path

import pytest

from tests.support import http
from tests.support.browser import Tab
from tests.support.demo import (
    Demo,
    Site,
    count_up,
    exchange_file,
    expect_heading,
    open_page,
)
from tests.support.processes import PYTHON, ROOT, Server, free_port
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

CONFIGURATION = ROOT / "deploy" / "jupyter" / "jupyter_server_config.py"
#: As behind JupyterHub.
BASE = "/user/ada/"


class Jupyter(Server):
    """A Jupyter server for anybody."""

    def __init__(self) -> None:
        self.port = free_port()
        options = {
            "port": self.port,
            "ip": "127.0.0.1",
            "base_url": BASE,
            "open_browser": False,
            "allow_root": True,
            "root_dir": ".",
        }
        command = [f"--ServerApp.{name}={value}" for name, value in options.items()]
        super().__init__(*PYTHON, "-m", "jupyter_server", *command, "--IdentityProvider.token=")
        home = str(self.directory)
        self.env.update(HOME=home, JUPYTER_CONFIG_DIR=home, JUPYTER_RUNTIME_DIR=home)
        self.env["JUPYTER_PREFER_ENV_PATH"] = "0"
        self.env["FLUXSYNC_DEMO_DATABASE"] = str(self.directory / "demo.sqlite3")
        # The command of the configuration is in the directory of Python's programs.
        programs = str(Path(sys.executable).parent)
        self.env["PATH"] = f"{programs}:{os.environ['PATH']}"
        (self.directory / CONFIGURATION.name).write_text(CONFIGURATION.read_text())

    def start(self) -> None:
        super().start()
        eventually(self._answers, 60, lambda: self.output)

    def _answers(self) -> bool:
        assert self.popen.poll() is None, self.output
        with contextlib.suppress(ConnectionError):
            return http.get(self.port, f"{BASE}api").status == 200
        return False

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15.0) -> int:
        return super().stop(number, timeout)


def visit(tab: Tab, site: Site) -> None:
    """Use everything that depends on where the demo is."""
    page = tab.page
    open_page(page, site.url(), "A year in Brightwater")
    open_page(page, site.url("files/"), "There and back again")
    assert page.url == site.url("files")
    exchange_file(page, "some.bin", random.randbytes(100_000))
    page.get_by_role("link", name="Rush hour").click()
    count_up(page, 1)
    page.reload()
    expect_heading(page, "Rush hour")
    assert page.evaluate("window.fluxsync.transport") == "websocket"
    assert page.request.get(site.url("api/stations")).ok
    assert tab.problems == [], tab.problems


@pytest.fixture(scope="module")
def jupyter() -> t.Iterator[Jupyter]:
    jupyter = Jupyter()
    jupyter.shared = True
    with jupyter:
        yield jupyter


def test_port_that_is_there(jupyter: Jupyter, serve: StartServer, tab: Tab) -> None:
    """A demo that somebody has started in a terminal of JupyterHub's, by both of its ways."""
    demo = Demo("gthread", env={"JUPYTERHUB_SERVICE_PREFIX": BASE})
    serve(demo)

    for way in "proxy", "proxy/absolute":
        visit(tab, Site(jupyter.port, f"{BASE}{way}/{demo.port}/"))


def test_entry_of_the_configuration(jupyter: Jupyter, tab: Tab) -> None:
    """Jupyter starts the demo, and ends it with itself."""
    site = Site(jupyter.port, f"{BASE}dashboard/")
    eventually(lambda: http.get(site.port, f"{site.path}readyz").status == 200, 60)
    visit(tab, site)
