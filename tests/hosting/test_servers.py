"""The demo under WSGI servers that are Python programs, as ``docs/hosting/servers.rst`` says."""

from __future__ import annotations

import signal

import pytest

from tests.conftest import StartServer
from tests.hosting.visits import visit
from tests.support.browser import Tab
from tests.support.demo import Site
from tests.support.wsgiservers import SERVERS, PythonDemo

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

WERKZEUG = """\
from werkzeug.serving import run_simple
from fluxsync.wsgi import application
run_simple("127.0.0.1", {port}, application, threaded=True)
"""
#: What follows ``python``, and the transport.
COMMANDS = {
    "waitress": (
        ("-m", "waitress", "--listen=127.0.0.1:{port}", "--threads=8", "fluxsync.wsgi:app"),
        "websocket",
    ),
    "pywsgi": ((str(SERVERS / "serve_pywsgi.py"),), "websocket"),
    "cheroot": ((str(SERVERS / "serve_cheroot.py"),), "websocket"),
    "werkzeug": (("-c", WERKZEUG), "websocket"),
}


@pytest.mark.parametrize(("arguments", "transport"), COMMANDS.values(), ids=COMMANDS)
def test_demo(arguments: tuple[str, ...], transport: str, serve: StartServer, tab: Tab) -> None:
    demo = PythonDemo(*arguments)
    serve(demo)
    visit(tab, Site(demo.port), transport)
    assert len(demo.supervisors()) == len(demo.streamlits()) == 1


@pytest.mark.parametrize("arguments", [v[0] for v in COMMANDS.values()], ids=COMMANDS)
def test_nothing_is_left_of_a_killed_one(arguments: tuple[str, ...], serve: StartServer) -> None:
    demo = PythonDemo(*arguments)
    serve(demo)
    demo.stop(signal.SIGKILL)
