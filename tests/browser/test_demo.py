"""A person uses the demo: every worker class, at the root and below a prefix of nginx."""

from __future__ import annotations

import contextlib
import io
import os
import random
import typing as t

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.browser import Tab
from tests.support.demo import (
    Demo,
    Site,
    charts,
    coloured_pixels,
    count_up,
    exchange_file,
    expect_charts,
    expect_heading,
    expect_seconds,
    open_page,
    save_sighting,
    saved_notes,
)
from tests.support.fronts import Prefix
from tests.support.gateways import WORKER_CLASSES
from tests.support.nginx import Nginx
from tests.support.processes import ROOT
from tests.support.tcp import CuttableProxy
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

PATH = "/tools/demo"
#: Each worker class once, and each way to a prefix, which is decided alike in all of them.
SITES = list(zip(WORKER_CLASSES, (Prefix.NONE, Prefix.FULL, Prefix.STRIP), strict=True))


class Sites:
    """Demos and the nginx before them; started when first needed."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._demos: dict[tuple[str, str], Demo] = {}
        self._fronts: dict[tuple[str, Prefix], Nginx] = {}

    def demo(self, worker_class: str, root: str) -> Demo:
        key = (worker_class, root)
        if key not in self._demos:
            env = {"FLUXSYNC_ROOT_PATH": root} if root else {}
            self._demos[key] = demo = Demo(worker_class, env=env)
            demo.shared = True
            self._stack.enter_context(demo)
        return self._demos[key]

    def site(self, worker_class: str, prefix: Prefix) -> Site:
        if prefix is Prefix.NONE:
            return Site(self.demo(worker_class, "").port)
        key = (worker_class, prefix)
        if key not in self._fronts:
            self._fronts[key] = front = Nginx(self.demo(worker_class, PATH).port, prefix, PATH)
            front.shared = True
            self._stack.enter_context(front)
        return Site(self._fronts[key].port, self._fronts[key].path)


@pytest.fixture(scope="module")
def sites() -> t.Iterator[Sites]:
    with contextlib.ExitStack() as stack:
        yield Sites(stack)


@pytest.fixture(params=SITES, ids=[f"{name}-{prefix.value}" for name, prefix in SITES])
def site(request: pytest.FixtureRequest, sites: Sites) -> Site:
    return sites.site(*request.param)


def test_chart(site: Site, tab: Tab) -> None:
    open_page(tab.page, site.url(), "A year in Brightwater")
    expect_charts(tab.page)
    links: list[str] = tab.page.locator("a[href*=api]").evaluate_all("all => all.map(a => a.href)")
    assert len(links) >= 3
    assert [link for link in links if not tab.page.request.get(link).ok] == []
    assert tab.problems == []


def test_frontend_files_from_disk(sites: Sites, tab: Tab) -> None:
    """A page in a new browser has all of its scripts, styles and fonts without Streamlit."""
    demo = sites.demo("gthread", "")
    start = len(demo.lines)
    open_page(tab.page, sites.site("gthread", Prefix.NONE).url(), "A year in Brightwater")
    demo.wait_for_line(r" GET /static/\S+\.woff2 ", start=start)
    files = [line for line in demo.lines[start:] if " GET /static/" in line]
    assert len(files) > 10
    assert [line for line in files if " route=asset " not in line] == []
    assert tab.problems == []


def test_form(site: Site, tab: Tab) -> None:
    """What is saved comes back from the API, on the page and beside it."""
    note = f"A unicycle, number {random.getrandbits(32)}"
    open_page(tab.page, site.url("form"), "Sightings")
    save_sighting(tab.page, note)
    assert note in saved_notes(tab.page, site)


def test_file_up_and_down(site: Site, tab: Tab) -> None:
    open_page(tab.page, site.url("files"), "There and back again")
    exchange_file(tab.page, "five.bin", random.randbytes(5_000_000))
    assert tab.problems == []


def test_live_counter(site: Site, page: Page) -> None:
    """The page changes by itself."""
    open_page(page, site.url("live"), "Rush hour")
    expect_seconds(page, changes=2)


def test_deep_link_reloaded(site: Site, tab: Tab) -> None:
    page = tab.page
    open_page(page, site.url("gateway"), "What the gateway did")
    page.reload()
    expect_heading(page, "What the gateway did")
    assert page.url == site.url("gateway")
    page.get_by_role("link", name="Rush hour").click()
    expect_heading(page, "Rush hour")
    assert page.url == site.url("live")
    page.reload()
    expect_heading(page, "Rush hour")


def test_connection_cut_and_recovered(site: Site, page: Page) -> None:
    """The session goes on where it was."""
    app = page.get_by_test_id("stApp")
    with CuttableProxy(site.port) as network:
        open_page(page, site.url("live", network.port), "Rush hour")
        for count in range(1, 4):
            count_up(page, count)
        network.open = False
        network.cut()
        expect(app).not_to_have_attribute("data-test-connection-state", "CONNECTED")
        network.open = True
        expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
        count_up(page, 4)
        page.goto("about:blank")


def test_api_documentation(site: Site, tab: Tab) -> None:
    """It can be tried out, below a prefix too, and needs nothing from the internet."""
    tab.page.goto(site.url("api/docs"))
    operation = tab.page.locator(".opblock").filter(has=tab.page.locator("[data-path='/summary']"))
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text('"bicycles"')
    tab.page.goto(site.url("api/redoc"))
    expect(tab.page.get_by_role("heading", name="Sum up the year")).to_be_visible()
    # Redoc's own logo at the foot of the page is the one thing that comes from elsewhere.
    assert [p for p in tab.problems if "https://cdn.redoc.ly/redoc/logo" not in p] == []


@pytest.mark.skipif("FLUXSYNC_WRITE_SCREENSHOT" not in os.environ, reason="not asked for")
def test_screenshot_of_the_readme(sites: Sites, page: Page) -> None:
    """Write ``docs/images/demo.png``."""
    site = sites.site("gthread", Prefix.NONE)
    page.set_viewport_size({"width": 1400, "height": 910})
    open_page(page, site.url(), "A year in Brightwater")
    eventually(lambda: coloured_pixels(charts(page).first) > 1000, what="a chart with lines")
    page.get_by_role("heading", level=1).scroll_into_view_if_needed()
    image = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    image = image.resize((1000, 650), Image.Resampling.LANCZOS)
    path = ROOT / "docs" / "images" / "demo.png"
    path.parent.mkdir(exist_ok=True)
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < 120_000
