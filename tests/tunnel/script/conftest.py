"""The page's script in Chromium, on the page of a real gateway, with a network that can fail."""

from __future__ import annotations

import importlib.resources
import typing as t
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from fluxsync.gateway.script import load
from fluxsync.tunnel import script
from tests.browser.conftest import browser, photographed, pytest_runtest_makereport
from tests.conftest import Shared
from tests.support.browser import Tab, new_context
from tests.support.gateways import MOUNTS, Gateway

__all__ = ["browser", "pytest_runtest_makereport"]

SOURCES = importlib.resources.files(script)
NETWORK = Path(__file__).with_name("network.js").read_text("utf-8")

START = """([text, settings]) => {
  const element = document.createElement("script");
  Object.assign(element.dataset, settings);
  element.textContent = text;
  document.documentElement.append(element);
}"""


def source(*names: str) -> str:
    """Return the text of some of the script's files."""
    return "\n".join((SOURCES / name).read_text("utf-8") for name in names)


def load_classes(page: Page, classes: str, *names: str) -> None:
    """Give a page the classes of some of the files, as properties of its window."""
    page.evaluate(f"() => {{ {source(*names)}; Object.assign(window, {{ {classes} }}); }}")


class ScriptPage:
    """A page of the gateway that has no script of its own, and what to do in it.

    What is wrong in the page (:attr:`Tab.problems`) is up to the test: lost requests are.
    """

    def __init__(self, tab: Tab, gateway: Gateway) -> None:
        self.tab = tab
        self.page = tab.page
        self.gateway = gateway
        self.messages: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.visit()

    def visit(self) -> None:
        """Load the page, again maybe."""
        self.page.goto(self.gateway.url("/echo"))
        self.page.evaluate(NETWORK)

    def run(self, code: str, argument: t.Any = None) -> t.Any:
        """Run the body of an asynchronous function."""
        return self.page.evaluate(f"async (argument) => {{ {code} }}", argument)

    def start(self, transport: str = "auto", path: str = "/echo") -> None:
        """Run the script."""
        text = load().text.decode()
        self.page.evaluate(START, [text, {"transport": transport, "path": path}])

    @property
    def used(self) -> tuple[str, str]:
        """The transport that is used, and why."""
        return tuple(self.run("return [window.fluxsync.transport, window.fluxsync.reason]"))

    @property
    def uncaught(self) -> list[str]:
        """Exceptions and rejections that nobody caught."""
        return [problem for problem in self.tab.problems if problem.startswith("exception")]


@pytest.fixture(scope="module")
def context(browser: Browser) -> t.Iterator[BrowserContext]:
    """Cookies that the tabs of a module share, as a new context takes long."""
    with new_context(browser) as context:
        yield context


@pytest.fixture
def tab(
    browser: Browser, context: BrowserContext, request: pytest.FixtureRequest
) -> t.Iterator[Tab]:
    """A tab; one in a context of its own where a test says ``own_context``."""
    is_alone = request.node.get_closest_marker("own_context") is not None
    tab = Tab(browser, request.node.name, None if is_alone else context)
    yield from photographed(tab, request)


@pytest.fixture
def script_page(tab: Tab, shared: Shared) -> t.Iterator[ScriptPage]:
    """The script's page, in front of the shared gateway."""
    page = ScriptPage(tab, shared.gateway("gthread", MOUNTS["root"]))
    yield page
    assert not page.uncaught
