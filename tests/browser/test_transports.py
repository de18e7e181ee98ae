"""The demo without WebSockets: behind proxies that spoil what passes, and on each transport."""

from __future__ import annotations

import random
import signal
import typing as t
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import TIMEOUT, Tab
from tests.support.demo import (
    Demo,
    Site,
    WaitressDemo,
    count_up,
    exchange_file,
    expect_charts,
    expect_heading,
    expect_seconds,
    open_page,
    save_sighting,
    saved_notes,
    wait_until_run,
)
from tests.support.meddlers import Every, Meddler, Meddling, Upgrade
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

SERVERS: dict[str, t.Callable[[dict[str, str]], Demo]] = {
    "sync": lambda env: Demo("sync", "--workers", "1", env=env),
    "gthread": lambda env: Demo("gthread", "--workers", "4", "--threads", "2", env=env),
    "gevent": lambda env: Demo("gevent", env=env),
    "waitress": lambda env: WaitressDemo(env),
}

#: No WebSockets, and then more and more that is missing.
STREAM: dict[str, t.Any] = {"upgrade": 403}
BUFFERED: dict[str, t.Any] = {"upgrade": Upgrade.CLOSE, "buffered": True, "patience": 60}
SERIAL: dict[str, t.Any] = {**BUFFERED, "serial": True}


class Demos:
    """Demos by server and setting; started when first needed."""

    def __init__(self) -> None:
        self._demos: dict[tuple[str, str], Demo] = {}

    def get(self, server: str, transport: str = "auto") -> Demo:
        key = (server, transport)
        if key not in self._demos:
            demo = SERVERS[server]({"FLUXSYNC_GATEWAY_TRANSPORT": transport})
            demo.shared = True
            self._demos[key] = demo.__enter__()
        return self._demos[key]

    def end(self) -> None:
        """End them all at a time, as each spends it with waiting."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda demo: demo.__exit__(None, None, None), self._demos.values()))


@pytest.fixture(scope="module")
def demos() -> t.Iterator[Demos]:
    demos = Demos()
    yield demos
    demos.end()


def expect_transport(page: Page, transport: str, reason: str = "") -> None:
    """See what the page's script says it uses, and why not something better."""
    found = page.evaluate("[window.fluxsync.transport, window.fluxsync.reason]")
    assert found == [transport, reason]


def opened(front: Meddler) -> int:
    """Return how many tunnels there were: Streamlit's page itself would open another one."""
    return sum("/__fluxsync/tunnel/open" in request for request in front.requests)


def go_on(page: Page, count: int, times: int = 3) -> None:
    """Use the live page, on which every message counts: each of them arrives, and once."""
    for number in range(count + 1, count + 1 + times):
        count_up(page, number)
    expect_seconds(page)
    expect(page.get_by_text(f"Count: {count + times}", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("server", "setting", "does", "transport"),
    [
        pytest.param("gthread", "auto", {}, "websocket", id="gthread"),
        pytest.param("gevent", "auto", {}, "websocket", id="gevent"),
        pytest.param("sync", "stream", {}, "stream", id="sync"),
        pytest.param("waitress", "auto", BUFFERED, "long-poll", id="waitress"),
        # When the page would find out by itself depends on when somebody clicks.
        pytest.param("sync", "short-poll", {}, "short-poll", id="short polls"),
    ],
)
def test_everything(
    demos: Demos, tab: Tab, server: str, setting: str, does: dict[str, t.Any], transport: str
) -> None:
    """One visit, as long as the session: charts, form, files, what changes by itself."""
    page = tab.page
    with Meddler(demos.get(server, setting).port, does=Meddling(**does)) as front:
        site = Site(front.port)
        open_page(page, site.url(), "A year in Brightwater")
        expect_charts(page)
        page.get_by_role("link", name="Sightings").click()
        note = f"A unicycle, number {random.getrandbits(32)}"
        save_sighting(page, note)
        assert saved_notes(page, site).count(note) == 1
        page.get_by_role("link", name="Files").click()
        exchange_file(page, "two.bin", random.randbytes(2_000_000))
        page.get_by_role("link", name="The gateway").click()
        expect(page.get_by_role("cell", name=transport, exact=True).first).to_be_visible()
        page.reload()
        expect(page.get_by_role("cell", name=transport, exact=True).first).to_be_visible()
        assert page.url == site.url("gateway")
        page.get_by_role("link", name="Rush hour").click()
        expect_heading(page, "Rush hour")
        go_on(page, 0)
        # Unless it's told not to, the page tries a WebSocket first.
        tried = [problem for problem in tab.problems if "WebSocket connection to" in problem]
        assert tab.problems == (tried if does else [])
        front.freeze()
        front.drop()
        front.thaw()
        go_on(page, 3)


REFUSED = "websocket-refused"
COLLECTED, QUEUED = f"{REFUSED}+buffered", f"{REFUSED}+serial"
LOST: dict[str, t.Any] = {"lost": Every(3, "exchange"), "kept": False}
TENTH: dict[str, t.Any] = {"lost": Every(10, "exchange")}
TWICE: dict[str, t.Any] = {"twice": Every(2, "exchange")}
IMPATIENT: dict[str, t.Any] = {"patience": 2, "hurried": "/exchange"}
CUT: dict[str, t.Any] = {"cut": Every(3, "exchange")}
#: Server, what stands before it, the transport and the reason. Once there is a transport, most
#: of them also spoil what it sends; that has a name among what a proxy has done.
CASES: dict[str, tuple[str, dict[str, t.Any], str, str, str]] = {
    "native": ("sync", {}, "websocket", "", ""),
    "400, twice": ("gthread", {"upgrade": 400, **TWICE}, "stream", REFUSED, "twice"),
    "403, lost": ("waitress", {"upgrade": 403, **LOST}, "stream", REFUSED, "lost"),
    "426, late": ("gevent", {"upgrade": 426, **IMPATIENT}, "stream", REFUSED, "late"),
    "502, cut": ("sync", {"upgrade": 502, **CUT, "cut_at": 6}, "stream", REFUSED, "cut"),
    "HTML, tenth": ("gthread", {"upgrade": 200, **TENTH}, "stream", REFUSED, "lost"),
    "reset": ("gevent", {"upgrade": Upgrade.RESET}, "stream", REFUSED, ""),
    "swallowed": ("gthread", {"upgrade": Upgrade.SWALLOW}, "stream", "websocket-silent", ""),
    "pretended": ("waitress", {"upgrade": Upgrade.PRETEND}, "stream", "websocket-silent", ""),
    "buffered, lost": ("gthread", {**BUFFERED, **LOST}, "long-poll", COLLECTED, "lost"),
    "buffered, cut": (
        "waitress",
        {**BUFFERED, **CUT, "cut_at": 300},
        "long-poll",
        COLLECTED,
        "cut",
    ),
    "Workbench": (
        "gevent",
        {**BUFFERED, **TWICE, "strip": "/s/1"},
        "long-poll",
        COLLECTED,
        "twice",
    ),
    "serial": ("gthread", {"upgrade": 502, "serial": True, **TWICE}, "short-poll", QUEUED, "twice"),
    "Passenger": ("sync", {**SERIAL, **LOST}, "short-poll", QUEUED, "lost"),
}


@pytest.mark.parametrize(
    ("server", "does", "transport", "reason", "trouble"), CASES.values(), ids=CASES
)
def test_transport_that_works(
    demos: Demos,
    tab: Tab,
    server: str,
    does: dict[str, t.Any],
    transport: str,
    reason: str,
    trouble: str,
) -> None:
    """It is found, and then nothing is lost or doubled, whatever happens on the way."""
    meddling = Meddling(**does)
    with Meddler(demos.get(server).port, does=meddling) as front:
        site = Site(front.port, f"{meddling.strip}/")
        open_page(tab.page, site.url("live"), "Rush hour")
        expect_transport(tab.page, transport, reason)
        for count in range(0, 30, 3):
            go_on(tab.page, count)
            if not trouble or front.done[trouble] > 1:
                break
        else:
            pytest.fail(f"nothing was {trouble}: {front.done}")
        assert opened(front) == (transport != "websocket")
        # The page keeps no worker busy, even if there is but one.
        assert tab.page.request.get(site.url("api/stations")).ok


@pytest.mark.parametrize(
    ("does", "trouble"),
    [
        pytest.param({**STREAM, "lost": Every(2, "limit=0"), "kept": False}, "lost", id="lost"),
        # Nothing comes to this page by itself, and the proxy has not the patience of a poll.
        pytest.param({**BUFFERED, **IMPATIENT}, "late", id="504"),
    ],
)
def test_forms_are_sent_once(demos: Demos, tab: Tab, does: dict[str, t.Any], trouble: str) -> None:
    with Meddler(demos.get("gthread").port, does=Meddling(**does)) as front:
        site = Site(front.port)
        open_page(tab.page, site.url("form"), "Sightings")
        notes = [f"A tandem, number {random.getrandbits(32)}" for _ in range(3)]
        save_sighting(tab.page, notes[0])
        save_sighting(tab.page, notes[1])
        eventually(lambda: front.done[trouble], what=trouble)
        save_sighting(tab.page, notes[2])
        found = saved_notes(tab.page, site)
        assert [found.count(note) for note in notes] == [1, 1, 1]
        assert opened(front) == 1


@pytest.mark.timeout(300)
def test_down_the_ladder(demos: Demos, tab: Tab) -> None:
    """A network that gets worse while the page is open; the session goes on."""
    page = tab.page
    with Meddler(demos.get("gthread").port, does=Meddling()) as front:
        site = Site(front.port)
        open_page(page, site.url("live"), "Rush hour")
        go_on(page, 0)
        for does, transport, count in (STREAM, "stream", 3), (BUFFERED, "long-poll", 6):
            front.does = Meddling(**does)
            front.drop()
            # Of a stream that a proxy collects, the page may see nothing for one poll's 20 s.
            page.wait_for_function(
                f"window.fluxsync.transport == '{transport}'", timeout=3 * TIMEOUT
            )
            wait_until_run(page)
            go_on(page, count)
        # Here it shows only on a page to which nothing comes that would end a poll.
        front.does = Meddling(**SERIAL)
        page.get_by_role("link", name="Sightings").click()
        notes = []

        def is_queued() -> bool:
            """Save a note, which the proxy has wait if a poll is held just then."""
            notes.append(f"A tricycle, number {random.getrandbits(32)}")
            save_sighting(page, notes[-1])
            return bool(page.evaluate("window.fluxsync.transport") == "short-poll")

        eventually(is_queued)
        expect_transport(page, "short-poll", f"{REFUSED}+buffered+serial")
        found = saved_notes(page, site)
        assert [found.count(note) for note in notes] == [1] * len(notes)
        page.get_by_role("link", name="Rush hour").click()
        go_on(page, 9)
        assert opened(front) == 1


@pytest.mark.parametrize("does", [STREAM, BUFFERED], ids=["stream", "long-poll"])
def test_workers_are_killed(demos: Demos, tab: Tab, does: dict[str, t.Any]) -> None:
    """All of them, while the page uses them."""
    demo = demos.get("gthread")
    with Meddler(demo.port, does=Meddling(**does)) as front:
        open_page(tab.page, Site(front.port).url("live"), "Rush hour")
        go_on(tab.page, 0)
        workers = psutil.Process(demo.pid).children()
        assert len(workers) == 4
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        go_on(tab.page, 3)
        assert opened(front) == 1


@pytest.mark.parametrize(
    ("does", "dropped"), [(STREAM, False), (BUFFERED, True)], ids=["stream", "long-poll dropped"]
)
def test_network_freezes(demos: Demos, tab: Tab, does: dict[str, t.Any], dropped: bool) -> None:
    """As when a laptop sleeps; what was clicked meanwhile arrives afterwards."""
    page = tab.page
    with Meddler(demos.get("gevent").port, does=Meddling(**does)) as front:
        open_page(page, Site(front.port).url("live"), "Rush hour")
        go_on(page, 0)
        front.freeze()
        page.get_by_role("button", name="Count up").click()
        # So long that the page's script has begun to doubt.
        page.evaluate("new Promise(resolve => setTimeout(resolve, 3000))")
        expect(page.get_by_text("Count: 3", exact=True)).to_be_visible()
        if dropped:
            front.drop()
        front.thaw()
        expect(page.get_by_text("Count: 4", exact=True)).to_be_visible()
        go_on(page, 4)
        assert opened(front) == 1
