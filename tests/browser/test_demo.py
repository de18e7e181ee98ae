"""A person uses the demo: every worker class, at the root and below a prefix of nginx."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import re
import signal
import typing as t
from dataclasses import dataclass

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import TIMEOUT, Tab
from tests.support.fronts import Prefix
from tests.support.gateways import WORKER_CLASSES
from tests.support.nginx import Nginx
from tests.support.processes import PYTHON, ROOT, Server, free_port
from tests.support.tcp import CuttableProxy
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

expect.set_options(timeout=TIMEOUT)

PATH = "/tools/demo"
#: Each worker class with the two ways that differ most, and the third one once.
SITES = [
    *((worker_class, prefix) for worker_class in WORKER_CLASSES for prefix in list(Prefix)[:2]),
    ("gthread", Prefix.FULL),
]


class Demo(Server):
    """``fluxsync demo`` with a data set of its own; ready when it is started."""

    def __init__(self, worker_class: str, root: str) -> None:
        self.port = free_port()
        options = ("--port", str(self.port), "--worker-class", worker_class)
        super().__init__(*PYTHON, "-m", "fluxsync", "demo", *options)
        self.env["FLUXSYNC_DEMO_DATABASE"] = str(self.directory / "demo.sqlite3")
        if root:
            self.env["FLUXSYNC_ROOT_PATH"] = root

    def start(self) -> None:
        super().start()
        self.wait_for_line(rf"Running on http://127\.0\.0\.1:{self.port}\b", timeout=60)

    def stop(self, number: int = signal.SIGINT, timeout: float = 15.0) -> int:
        return super().stop(number, timeout)


@dataclass(frozen=True)
class Site:
    """Where a browser finds the demo."""

    port: int
    path: str

    def url(self, page: str = "", port: int | None = None) -> str:
        return f"http://127.0.0.1:{port or self.port}{self.path}{page}"


class Sites:
    """Demos and the nginx before them; started when first needed."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._demos: dict[tuple[str, str], Demo] = {}
        self._fronts: dict[tuple[str, Prefix], Nginx] = {}

    def demo(self, worker_class: str, root: str) -> Demo:
        key = (worker_class, root)
        if key not in self._demos:
            self._demos[key] = demo = Demo(worker_class, root)
            demo.shared = True
            self._stack.enter_context(demo)
        return self._demos[key]

    def site(self, worker_class: str, prefix: Prefix) -> Site:
        if prefix is Prefix.NONE:
            return Site(self.demo(worker_class, "").port, "/")
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


def open_page(page: Page, url: str, heading: str) -> None:
    """Open a page by its address and wait until Streamlit has drawn it."""
    page.goto(url)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    wait_until_run(page)


def wait_until_run(page: Page) -> None:
    """Wait until the script has run to its end."""
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")


def coloured_pixels(chart: Locator) -> int:
    """Return how much of a chart is neither white, grey nor black."""
    image = Image.open(io.BytesIO(chart.screenshot(animations="disabled")))
    saturation = image.convert("HSV").getchannel("S").histogram()
    return sum(saturation[100:])


def charts(page: Page) -> Locator:
    return page.get_by_test_id(re.compile(r"st(ECharts|VegaLite)Chart"))


def test_chart(site: Site, tab: Tab) -> None:
    open_page(tab.page, site.url(), "A year in Brightwater")
    expect(charts(tab.page)).to_have_count(2)
    for chart in charts(tab.page).all():
        eventually(lambda: coloured_pixels(chart) > 1000, what="a chart with lines")  # noqa: B023
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
    page = tab.page
    note = f"A unicycle, number {random.getrandbits(32)}"
    open_page(page, site.url("form"), "Sightings")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Thank you!")).to_be_visible()
    expect(page.get_by_test_id("stText").filter(has_text=note)).to_be_visible()
    sightings = page.request.get(site.url("api/sightings")).json()["sightings"]
    assert note in [sighting["note"] for sighting in sightings]


def test_file_up_and_down(site: Site, tab: Tab) -> None:
    page = tab.page
    content = random.randbytes(5_000_000)
    open_page(page, site.url("files"), "There and back again")
    page.locator("input[type=file]").set_input_files(
        {"name": "five.bin", "mimeType": "application/octet-stream", "buffer": content}
    )
    expect(page.get_by_text(hashlib.sha256(content).hexdigest())).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download the same bytes").click()
    download = downloading.value
    assert download.suggested_filename == "five.bin"
    assert download.path().read_bytes() == content
    download.delete()
    assert tab.problems == []


def test_live_counter(site: Site, page: Page) -> None:
    """The page changes by itself."""
    open_page(page, site.url("live"), "Rush hour")
    seconds = page.get_by_test_id("stMetric").filter(has_text="Seconds since")
    for _ in range(2):
        expect(seconds).not_to_have_text(seconds.inner_text())


def test_deep_link_reloaded(site: Site, tab: Tab) -> None:
    page = tab.page
    open_page(page, site.url("gateway"), "What the gateway did")
    page.reload()
    expect(page.get_by_role("heading", name="What the gateway did", level=1)).to_be_visible()
    assert page.url == site.url("gateway")
    page.get_by_role("link", name="Rush hour").click()
    expect(page.get_by_role("heading", name="Rush hour", level=1)).to_be_visible()
    assert page.url == site.url("live")
    page.reload()
    expect(page.get_by_role("heading", name="Rush hour", level=1)).to_be_visible()


def test_connection_cut_and_recovered(site: Site, page: Page) -> None:
    """The session goes on where it was."""
    app = page.get_by_test_id("stApp")
    with CuttableProxy(site.port) as network:
        open_page(page, site.url("live", network.port), "Rush hour")
        for count in range(1, 4):
            page.get_by_role("button", name="Count up").click()
            expect(page.get_by_text(f"Count: {count}", exact=True)).to_be_visible()
        network.open = False
        network.cut()
        expect(app).not_to_have_attribute("data-test-connection-state", "CONNECTED")
        network.open = True
        expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
        page.get_by_role("button", name="Count up").click()
        expect(page.get_by_text("Count: 4", exact=True)).to_be_visible()
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
