"""The demo as a server, and what a person does with its pages."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import signal
from dataclasses import dataclass

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.support import http
from tests.support.browser import TIMEOUT
from tests.support.processes import PYTHON, Server, free_port
from tests.support.waiting import eventually

expect.set_options(timeout=TIMEOUT)


class Demo(Server):
    """``fluxsync demo`` with a data set of its own; ready when it is started.

    :param options: More options of the command.
    """

    def __init__(self, worker_class: str, *options: str, env: dict[str, str] | None = None) -> None:
        self.port = free_port()
        super().__init__(*PYTHON, *self.arguments(worker_class, *options), env=env)
        self.env["FLUXSYNC_DEMO_DATABASE"] = str(self.directory / "demo.sqlite3")

    def arguments(self, worker_class: str, *options: str) -> tuple[str, ...]:
        """Return the command line for Python."""
        common = ("--port", str(self.port), "--worker-class", worker_class)
        return ("-m", "fluxsync", "demo", *common, *options)

    def start(self) -> None:
        super().start()
        self.wait_for_line(rf"Running on http://127\.0\.0\.1:{self.port}\b", timeout=60)
        # The supervisor says so as it tells the worker, which may be busy.
        eventually(self._is_ready, 60, lambda: self.output)

    def _is_ready(self) -> bool:
        assert self.popen.poll() is None, self.output
        with contextlib.suppress(ConnectionError):
            return http.get(self.port, "/readyz").status == 200
        return False

    def stop(self, number: int = signal.SIGINT, timeout: float = 15.0) -> int:
        return super().stop(number, timeout)


class WaitressDemo(Demo):
    """The same application under waitress."""

    def __init__(self, env: dict[str, str] | None = None) -> None:
        super().__init__("", env={"FLUXSYNC_APP": "fluxsync.demo.app:app", **(env or {})})

    def arguments(self, worker_class: str, *options: str) -> tuple[str, ...]:
        return ("-m", "waitress", "--listen", f"127.0.0.1:{self.port}", "fluxsync.wsgi:app")

    def start(self) -> None:
        Server.start(self)
        eventually(self._is_ready, 60, lambda: self.output)


@dataclass(frozen=True)
class Site:
    """Where a browser finds the demo."""

    port: int
    path: str = "/"
    host: str = "http://127.0.0.1"

    def url(self, page: str = "", port: int | None = None) -> str:
        return f"{self.host}:{port or self.port}{self.path}{page}"


def open_page(page: Page, url: str, heading: str) -> None:
    """Open a page by its address and wait until Streamlit has drawn it."""
    page.goto(url)
    expect_heading(page, heading)
    wait_until_run(page)


def expect_heading(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()


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


def expect_charts(page: Page) -> None:
    """Wait until the first page's charts have lines."""
    expect(charts(page)).to_have_count(2)
    for chart in charts(page).all():
        eventually(lambda: coloured_pixels(chart) > 1000, what="a chart with lines")  # noqa: B023


def save_sighting(page: Page, note: str) -> None:
    """Fill in the form, send it, and see that it was saved and is listed."""
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Thank you!")).to_be_visible()
    expect(page.get_by_test_id("stText").filter(has_text=note)).to_be_visible()


def saved_notes(page: Page, site: Site) -> list[str]:
    """Return the notes of the latest sightings as the API has them."""
    sightings = page.request.get(site.url("api/sightings?limit=100")).json()["sightings"]
    return [sighting["note"] for sighting in sightings]


def exchange_file(page: Page, name: str, content: bytes) -> None:
    """Upload a file, see its checksum, and download the same bytes."""
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )
    expect(page.get_by_text(hashlib.sha256(content).hexdigest())).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download the same bytes").click()
    download = downloading.value
    assert download.suggested_filename == name
    assert download.path().read_bytes() == content
    download.delete()


def expect_seconds(page: Page, changes: int = 1) -> None:
    """Wait until the live page has changed by itself."""
    seconds = page.get_by_test_id("stMetric").filter(has_text="Seconds since")
    for _ in range(changes):
        expect(seconds).not_to_have_text(seconds.inner_text())


def count_up(page: Page, count: int) -> None:
    """Press the live page's button and see what it has counted."""
    page.get_by_role("button", name="Count up").click()
    expect(page.get_by_text(f"Count: {count}", exact=True)).to_be_visible()
