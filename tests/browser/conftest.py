"""Fixtures for tests that drive a browser."""

from __future__ import annotations

import typing as t

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import Tab, launch

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> t.Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="module")
def browser() -> t.Iterator[Browser]:
    """A Chromium for the tests of one module."""
    yield from launch()


@pytest.fixture
def tab(browser: Browser, request: pytest.FixtureRequest) -> t.Iterator[Tab]:
    """A page in a browser context of its own; photographed when the test fails."""
    yield from photographed(Tab(browser, request.node.name), request)


def photographed(tab: Tab, request: pytest.FixtureRequest) -> t.Iterator[Tab]:
    """Give a test its tab, and close it afterwards."""
    yield tab
    try:
        if request.node.stash.get(FAILED, False):
            tab.save()
    finally:
        tab.close()


@pytest.fixture
def page(tab: Tab) -> Page:
    """The only page of :func:`tab`."""
    return tab.page
