"""The demo under uWSGI, from ``deploy/servers/uwsgi.ini``."""

from __future__ import annotations

import signal

import pytest

from tests.conftest import StartServer
from tests.hosting.visits import visit
from tests.support import http
from tests.support.browser import Tab
from tests.support.demo import Site
from tests.support.fronts import Prefix
from tests.support.processes import free_port
from tests.support.waiting import eventually
from tests.support.wsgiservers import UwsgiBehindNginx, UwsgiDemo, skip_without_uwsgi

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]


@pytest.fixture(autouse=True)
def available() -> None:
    skip_without_uwsgi()


def wait_for_all(demo: UwsgiDemo) -> None:
    """Wait until both processes are there."""
    eventually(lambda: len(demo.workers()) == 2, what="two processes")


def test_demo(serve: StartServer, tab: Tab) -> None:
    """Processes that are forked from one that has loaded the application."""
    demo = UwsgiDemo()
    serve(demo)
    visit(tab, Site(demo.port), "websocket")
    wait_for_all(demo)
    assert len(demo.supervisors()) == len(demo.streamlits()) == 1
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    chunked = [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]
    answer = http.request(demo.port, "POST", "/api/sightings", chunked, body)
    assert answer.status in (400, 415, 422), answer.text
    assert "does not pass chunked" not in answer.text


def test_behind_nginx(tab: Tab) -> None:
    """With ``uwsgi_pass``, and processes that load the application by themselves."""
    port = free_port()
    with (
        UwsgiBehindNginx(port, Prefix.NONE) as front,
        UwsgiDemo("lazy-apps = true", front=front, port=port) as demo,
    ):
        visit(tab, Site(front.port), "websocket")
        wait_for_all(demo)
        assert len(demo.supervisors()) == len(demo.streamlits()) == 1


def test_nothing_is_left_of_a_killed_one(serve: StartServer) -> None:
    demo = UwsgiDemo()
    serve(demo)
    assert len(demo.streamlits()) == 1
    demo.stop(signal.SIGKILL)


def test_without_a_master(serve: StartServer) -> None:
    """The first process stands for the server; the other one goes on, but nothing of ours."""
    demo = UwsgiDemo(without=["master", "no-orphans"])
    serve(demo)
    assert len(demo.workers()) == 1
    assert len(demo.supervisors()) == len(demo.streamlits()) == 1
    demo.send_signal(signal.SIGKILL)
    demo.wait()
    eventually(lambda: not demo.supervisors() and not demo.streamlits(), what="the end of ours")
    demo.kill_all()


def test_without_threads(serve: StartServer) -> None:
    """What's missing is said, in the log and on the page, and the API goes on."""
    demo = UwsgiDemo(without=["enable-threads", "threads"])
    demo.ready = 503
    serve(demo)
    line = "uWSGI runs without threads; add enable-threads = true"
    demo.wait_for_line(line)
    answer = http.get(demo.port, "/", [("Accept", "text/html")])
    assert answer.status == 503
    assert line in answer.text
    assert demo.get("/api/sightings").status == 200
