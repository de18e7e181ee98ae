"""A real browser that visits a page for the first time."""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass

from tests.benchmarks.contenders import SHOWN
from tests.benchmarks.load import LoadError
from tests.benchmarks.peers import Unavailable

if t.TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession

#: A mobile network: 10 Mbit/s each way, 40 ms to an answer.
SLOW = {
    "offline": False,
    "latency": 40,
    "downloadThroughput": 10e6 / 8,
    "uploadThroughput": 10e6 / 8,
}
#: Seconds for a page to show its text.
TIMEOUT = 30.0


@dataclass
class Visit:
    """One load of a page.

    :ivar seconds: From the address to the text of the script.
    :ivar received: Bytes of all answers as they were sent, with their heads.
    """

    seconds: float = 0.0
    received: float = 0.0
    requests: int = 0


class Chromium:
    """Started with the first visit."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._browser: Browser | None = None

    def start(self) -> Browser:
        """Start it, if it doesn't run.

        :raise Unavailable: It can't be started.
        """
        if self._browser is None:
            try:
                from tests.support.browser import launch

                self._browser = self._stack.enter_context(contextlib.contextmanager(launch)())
            except Exception as e:  # Playwright's errors are of its own, if it's installed at all
                reason = str(e).strip().splitlines()
                raise Unavailable(f"no Chromium: {reason[0] if reason else e!r}") from e
        return self._browser

    def visit(self, port: int, *, slow: bool = False, whole: bool = False) -> Visit:
        """Load the page with an empty cache.

        :param slow: Whether the network is a mobile one.
        :param whole: Whether to wait for what the page loads after it's shown.
        :raise LoadError: It isn't shown.
        """
        from playwright.sync_api import Error

        found = Visit()
        context = self.start().new_context()
        try:
            page = context.new_page()
            session = context.new_cdp_session(page)
            self._observe(session, found)
            if slow:
                session.send("Network.emulateNetworkConditions", SLOW)
            begin = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/", wait_until="commit", timeout=TIMEOUT * 1e3)
            page.get_by_text(SHOWN).first.wait_for(timeout=TIMEOUT * 1e3)
            found.seconds = time.perf_counter() - begin
            if whole:
                page.wait_for_load_state("networkidle", timeout=TIMEOUT * 1e3)
        except Error as e:
            raise LoadError(f"the page isn't shown: {str(e).splitlines()[0]}") from e
        finally:
            context.close()
        return found

    def _observe(self, session: CDPSession, visit: Visit) -> None:
        def finished(event: dict[str, t.Any]) -> None:
            visit.received += event["encodedDataLength"]
            visit.requests += 1

        def frame(event: dict[str, t.Any]) -> None:
            visit.received += len(event["response"]["payloadData"])

        session.on("Network.loadingFinished", finished)
        session.on("Network.webSocketFrameReceived", frame)
        session.send("Network.enable")

    def close(self) -> None:
        """End it."""
        self._browser = None
        self._stack.close()
