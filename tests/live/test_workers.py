"""Workers come and go; Streamlit and its sessions stay."""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import StartGateway, StartServer
from tests.live.served import Application, Fluxsync
from tests.support.browser import TIMEOUT, Tab, launch
from tests.support.gateways import Gateway
from tests.support.processes import descendants
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

expect.set_options(timeout=TIMEOUT)

FOUR = ("--workers", "4")


@pytest.fixture
def browser() -> t.Iterator[Browser]:
    yield from launch()


@pytest.fixture
def tab(browser: Browser, request: pytest.FixtureRequest) -> t.Iterator[Tab]:
    with contextlib.closing(Tab(browser, request.node.name)) as tab:
        yield tab


@pytest.mark.streamlit
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Application("fluxsync.wsgi", args=FOUR), id="fluxsync.wsgi"),
        pytest.param(
            lambda: Application("fluxsync.wsgi", args=(*FOUR, "--preload")),
            id="fluxsync.wsgi-preload",
        ),
        pytest.param(lambda: Application(args=FOUR), id="app"),
        pytest.param(
            lambda: Application(args=(*FOUR, "--preload"), worker_class="gevent"),
            id="app-preload-gevent",
        ),
        pytest.param(lambda: Fluxsync("run", *FOUR), id="run"),
        pytest.param(lambda: Fluxsync("run", *FOUR, "--preload"), id="run-preload"),
    ],
)
def test_one_streamlit(make: t.Callable[[], Application], serve: StartServer) -> None:
    """There is one of it however many workers; nothing of it belongs to the master."""
    server = make()
    serve(server)
    eventually(lambda: len(server.workers()) == 4, 60, lambda: f"4 workers\n{server.output}")
    status = server.status()
    assert [replica["starts"] for replica in status["replicas"]] == [1]
    assert [p.pid for p in server.supervisors()] == [status["pid"]]
    assert [p.pid for p in server.streamlits()] == [status["replicas"][0]["pid"]]
    assert server.supervisors()[0].ppid() not in (server.pid, *status["workers"])
    assert {p.pid for p in descendants(server.pid)} == set(status["workers"])
    assert status["anchor"] == server.pid
    if any("preload" in arg for arg in server.args):
        # What forks has no threads; a lock of theirs would be locked for ever in a worker.
        assert psutil.Process(server.pid).num_threads() == 1


def replace_workers(server: Gateway, how: str) -> None:
    """Have all workers replaced, and wait until others answer."""
    before = workers = {process.pid for process in descendants(server.pid)}
    if how == "HUP":
        server.send_signal(signal.SIGHUP)
    for pid in before if how == "KILL" else ():
        os.kill(pid, signal.SIGKILL)

    def are_replaced() -> bool:
        nonlocal workers
        for _ in range(10 if how == "max_requests" else 0):
            with contextlib.suppress(ConnectionError):  # of one that is just leaving
                server.get("/healthz")
        workers = {process.pid for process in descendants(server.pid)}
        return len(workers) == len(before) and not workers & before

    eventually(are_replaced, 30, lambda: f"other workers than {before}: {workers}")
    server.wait_ready()


@pytest.mark.streamlit
@pytest.mark.browser
def test_browser_session_survives(serve: StartServer, tab: Tab) -> None:
    """The WebSocket stays open, and the count goes on."""
    server = Application(args=("--workers", "2", "--max-requests", "20"))
    serve(server)
    streamlit = server.streamlit()
    page, sockets = tab.page, []
    page.on("websocket", lambda websocket: sockets.append(websocket))

    def count_to(number: int) -> None:
        page.get_by_role("button", name="Count up").click()
        expect(page.get_by_text(f"Count: {number}", exact=True)).to_be_visible()

    page.goto(server.url())
    count_to(1)
    for number, how in enumerate(("KILL", "HUP", "max_requests"), start=2):
        replace_workers(server, how)
        count_to(number)
    (websocket,) = sockets
    assert not websocket.is_closed()
    assert server.streamlits() == [streamlit]
    page.goto("about:blank")


def test_many_websockets_survive(
    worker_class: str, gateway: StartGateway, upstream: FakeStreamlit
) -> None:
    """Each of them, whatever happens to the workers; not a byte is lost."""
    server = gateway(worker_class, args=("--workers", "2", "--max-requests", "60"))
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(server.websocket()) for _ in range(30)]
        for how in ("KILL", "HUP", "max_requests"):
            replace_workers(server, how)
            for number, websocket in enumerate(sockets):
                assert websocket.echo(f"{how} {number}") == f"{how} {number}"
        assert len(upstream.websockets) == len(sockets)
        assert not any(websocket.ended.is_set() for websocket in upstream.websockets)
    eventually(lambda: all(ws.ended.is_set() for ws in upstream.websockets), what="their end")


def test_threads_of_a_forking_master(
    worker_class: str, serve: StartServer, upstream: FakeStreamlit
) -> None:
    """There are none under ``--preload``, and every worker finds the supervisor."""
    server = Application(
        "fluxsync.wsgi",
        args=("--workers", "2", "--preload"),
        worker_class=worker_class,
        env={"FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url},
    )
    serve(server)
    assert psutil.Process(server.pid).num_threads() == 1
    replace_workers(server, "KILL")
    # One that gets SIGTERM before it has handlers of its own stays until the time-out.
    eventually(lambda: len(server.workers()) == 2, 20, "both workers")
    with server.websocket() as websocket:
        assert websocket.echo("hello") == "hello"
    assert psutil.Process(server.pid).num_threads() == 1
