"""One visit to the demo, as long as a session, with everything that a person does."""

from __future__ import annotations

import random

from playwright.sync_api import expect

from tests.support.browser import Tab
from tests.support.demo import (
    Site,
    count_up,
    exchange_file,
    expect_charts,
    expect_heading,
    expect_seconds,
    open_page,
    save_sighting,
    saved_notes,
)


def visit(tab: Tab, site: Site, transport: str, reason: str = "") -> None:
    """See charts, send a form, exchange a file, count, and reload a deep link.

    :param transport: What the page has to use.
    :param reason: Why it doesn't use something better.
    """
    page = tab.page
    open_page(page, site.url(), "A year in Brightwater")
    expect_charts(page)
    found = page.evaluate("[window.fluxsync.transport, window.fluxsync.reason]")
    assert found == [transport, reason]
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
    for number in range(1, 4):
        count_up(page, number)
    expect_seconds(page)
    expected = [] if transport == "websocket" else [p for p in tab.problems if REFUSED in p]
    assert [problem for problem in tab.problems if problem not in expected] == []


#: What a browser's console says of a WebSocket that is refused.
REFUSED = "501"
