"""Debian's Chromium under Playwright.

Playwright's synchronous API leaves an event loop running in this thread. Hence the browser
lives as long as one test module, and not as long as the session.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import typing as t
from importlib.metadata import version
from pathlib import Path

import psutil
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

from tests.support.leaks import Service, children
from tests.support.processes import ROOT, environment
from tests.support.waiting import FACTOR

ARTIFACTS = ROOT / "tests" / "artifacts"
#: The first takes a fifth less of the processors: it has no windows of a desktop to draw.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
)
ARGUMENTS = (
    "--no-sandbox",  # root, and containers without user namespaces
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--font-render-hinting=none",
)
#: Milliseconds for anything that is waited for in the page.
TIMEOUT = 30_000 * FACTOR
#: What addresses of the tests' servers, and of nobody's, begin with.
OWN = ("http://127.0.0.1:", "https://localhost:", "data:", "blob:")
PROBE = re.compile(r"404 .*/_stcore/(health|host-config)$")
#: What older versions of Streamlit are known for: emoji of page icons come from elsewhere (1.42),
#: and charts that are drawn twice at once fail (https://github.com/streamlit/streamlit/pull/11911).
OLD = (
    ("https://cdn.jsdelivr.net/gh/twitter/twemoji", "exception: Unrecognized data set")
    if int(version("streamlit").split(".")[1]) < 50
    else ()
)


class Playwright(Service):
    """Owns the threads with which Playwright's event loop reads and writes files.

    And what becomes our child when Chromium's process that has started it goes.
    """

    def owned_pids(self) -> list[int]:
        found = []
        for child in children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                if child.name().startswith("chrom"):
                    found.append(child.pid)
        return found

    def owned_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")]


def launch() -> t.Iterator[Browser]:
    """Start Chromium, and end it when the generator goes on."""
    # None is the one that Playwright itself has downloaded, if any.
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    service = Playwright()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=list(ARGUMENTS),
            env={name: value for name, value in environment().items() if name != "PYTHONPATH"},
        )
        Service.running.add(service)
        try:
            yield browser
        finally:
            Service.running.discard(service)
            browser.close()


def new_context(browser: Browser) -> BrowserContext:
    """Return a context (cookies, storage) for tabs."""
    context = browser.new_context(
        viewport={"width": 1000, "height": 650},
        accept_downloads=True,
        locale="en-GB",
        reduced_motion="reduce",  # animations are drawn without a graphics card here
        ignore_https_errors=True,  # the tests' own certificate
    )
    context.set_default_timeout(TIMEOUT)
    context.set_default_navigation_timeout(TIMEOUT)
    return context


class Tab:
    """A page, with what went wrong in it.

    :param context: Cookies and storage that it shares with other tabs; its own if ``None``.
    """

    def __init__(self, browser: Browser, name: str, context: BrowserContext | None = None) -> None:
        self.name = name
        self._is_alone = context is None
        #: Uncaught exceptions, console errors, responses from 400 on, requests to other hosts.
        self.problems: list[str] = []
        self.context = context or new_context(browser)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self._add(f"exception: {error}"))
        self.page.on("console", self._on_console)
        self.page.on("request", self._on_request)
        self.page.on("response", self._on_response)

    def _add(self, problem: str) -> None:
        # Streamlit's page finds its server by asking at its own address and one level above.
        if not PROBE.search(problem) and not any(words in problem for words in OLD):
            self.problems.append(problem)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._add(f"console: {message.text} {message.location.get('url')}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(OWN):
            self._add(f"foreign: {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self._add(f"{response.status} {response.url}")

    def save(self) -> Path:
        """Keep a screenshot and what went wrong, for whoever looks into a failure."""
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / (re.sub(r"[^\w.-]+", "-", self.name).strip("-") + ".png")
        self.page.screenshot(path=path)
        lines = [self.page.url, *self.problems, "", self.page.inner_text("body")]
        path.with_suffix(".txt").write_text("\n".join(lines) + os.linesep)
        return path

    def close(self) -> None:
        if self._is_alone:
            self.context.close()
        else:
            self.page.close()
