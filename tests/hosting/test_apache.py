"""The demo under Apache with mod_wsgi and Passenger, from the files in ``deploy/servers``."""

from __future__ import annotations

import contextlib
import signal

import pytest

from tests.conftest import StartServer
from tests.hosting.visits import visit
from tests.support.browser import Tab
from tests.support.demo import Site
from tests.support.waiting import eventually
from tests.support.wsgiservers import (
    ApacheDemo,
    CrashError,
    ModWsgiDemo,
    PassengerDemo,
    skip_without_apache,
)

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

#: No server here gives applications the client's connection.
NO_SOCKET = "websocket-refused+no-hold"


def started(kind: type[ApacheDemo], serve: StartServer) -> ApacheDemo:
    """Start a server; another one if it has crashed before anything of ours ran."""
    with contextlib.suppress(CrashError):
        demo = kind()
        serve(demo)
        return demo
    demo = kind()
    serve(demo)
    return demo


def expect_one_streamlit(demo: ApacheDemo) -> None:
    """See that all processes share it; each of them needs a supervisor as soon as it serves."""
    eventually(lambda: len(demo.workers()) >= 2, what="two processes")
    assert len(demo.supervisors()) == len(demo.streamlits()) == 1


def test_mod_wsgi_daemons(serve: StartServer, tab: Tab) -> None:
    skip_without_apache("wsgi")
    demo = ModWsgiDemo()
    serve(demo)
    visit(tab, Site(demo.port), "short-poll", NO_SOCKET)
    expect_one_streamlit(demo)


def test_mod_wsgi_embedded(serve: StartServer, tab: Tab) -> None:
    """Python runs in Apache's own processes, however many those are."""
    skip_without_apache("wsgi")
    demo = ModWsgiDemo(embedded=True)
    serve(demo)
    visit(tab, Site(demo.port), "short-poll", NO_SOCKET)
    expect_one_streamlit(demo)


def test_passenger(serve: StartServer, tab: Tab) -> None:
    """Each process takes one request at a time."""
    skip_without_apache("passenger")
    demo = started(PassengerDemo, serve)
    visit(tab, Site(demo.port), "short-poll", NO_SOCKET)
    expect_one_streamlit(demo)


@pytest.mark.parametrize("kind", [ModWsgiDemo, PassengerDemo])
def test_nothing_is_left_of_a_killed_apache(kind: type[ApacheDemo], serve: StartServer) -> None:
    """Apache's own processes go on, but nothing of ours does."""
    skip_without_apache("wsgi" if kind is ModWsgiDemo else "passenger")
    demo = started(kind, serve)
    assert len(demo.streamlits()) == 1
    demo.send_signal(signal.SIGKILL)
    demo.wait()
    eventually(lambda: not demo.supervisors() and not demo.streamlits(), what="the end of ours")
    demo.kill_all()
