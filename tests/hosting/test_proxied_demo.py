"""A person uses the demo over HTTPS, through the proxies' files in ``deploy/proxies``."""

from __future__ import annotations

import random
import typing as t

import pytest
from playwright.sync_api import Page, expect

from tests.hosting.test_proxies import skip_without
from tests.support.browser import Tab
from tests.support.demo import (
    Demo,
    Site,
    exchange_file,
    expect_charts,
    expect_heading,
    open_page,
    save_sighting,
    saved_notes,
    wait_until_run,
)
from tests.support.deployed import (
    Deployed,
    DeployedApache,
    DeployedCaddy,
    DeployedHaproxy,
    DeployedNginx,
    DeployedTraefik,
)
from tests.support.fronts import Prefix

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

#: Each proxy, and each way to use a prefix; all combinations are in ``test_proxies.py``.
CASES = [
    (DeployedNginx, Prefix.NONE),
    (DeployedNginx, Prefix.STRIP),
    (DeployedCaddy, Prefix.STRIP),
    (DeployedHaproxy, Prefix.FULL),
    (DeployedApache, Prefix.STRIP),
    (DeployedTraefik, Prefix.FULL),
]

PROTOCOLS = """() => [
    ...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")
].filter(entry => entry.name.startsWith(location.origin)).map(entry => entry.nextHopProtocol)"""


@pytest.fixture(scope="module")
def demo() -> t.Iterator[Demo]:
    """One for all proxies: they say where they have it."""
    demo = Demo("gthread", env={"FLUXSYNC_TRUST_PROXY": "true"})
    demo.shared = True
    with demo:
        yield demo


def try_documentation(page: Page, site: Site) -> None:
    page.goto(site.url("api/docs"))
    operation = page.locator(".opblock").filter(has=page.locator("[data-path='/summary']"))
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text('"bicycles"')


@pytest.mark.parametrize(
    ("kind", "prefix"), CASES, ids=[f"{kind.command}-{prefix.value}" for kind, prefix in CASES]
)
def test_demo(kind: type[Deployed], prefix: Prefix, demo: Demo, tab: Tab) -> None:
    """Charts, form, files, a deep link and the API's documentation."""
    skip_without(kind)
    page = tab.page
    with kind(demo.port, prefix) as front:
        site = Site(front.port, front.path, "https://localhost")
        open_page(page, site.url(), "A year in Brightwater")
        expect_charts(page)
        assert set(page.evaluate(PROTOCOLS)) == {"h2"}

        page.get_by_role("link", name="Sightings").click()
        expect_heading(page, "Sightings")
        note = f"A tandem, number {random.getrandbits(32)}"
        save_sighting(page, note)
        assert note in saved_notes(page, site)

        open_page(page, site.url("files"), "There and back again")
        exchange_file(page, "three.bin", random.randbytes(3_000_000))

        # Streamlit sends those who come with a slash away.
        open_page(page, site.url("gateway/"), "What the gateway did")
        assert page.url == site.url("gateway")
        page.reload()
        expect_heading(page, "What the gateway did")
        wait_until_run(page)
        expect(page.get_by_text("Messages come and go in a WebSocket")).to_be_visible()

        try_documentation(page, site)
        cookies = {cookie["name"]: cookie for cookie in tab.context.cookies()}
        root = front.path.rstrip("/") or "/"
        assert [cookies[name]["path"] for name in ("fluxsync_replica", "_streamlit_xsrf")] == [
            root,
            root,
        ]
        assert cookies["fluxsync_replica"]["secure"]
        assert tab.problems == []
        page.goto("about:blank")
