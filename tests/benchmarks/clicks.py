"""Streamlit's page with a button that is pressed again and again."""

from __future__ import annotations

import typing as t

from tests.benchmarks.contenders import SHOWN
from tests.benchmarks.load import LoadError

if t.TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Milliseconds for the page to be shown.
TIMEOUT = 30_000
#: Milliseconds from one turn to the next: a person's pause, or rather a machine's.
PAUSE = 100
#: Presses the button, and returns the milliseconds until the text that it changes has changed.
#: The clock stops in the page, not when this process hears of it.
PRESS = """
async ([presses, pause]) => {
  const find = (id) => document.querySelector(`[data-testid="${id}"]`);
  const until = (isSo) => new Promise((resolve) => {
    const look = () => {
      if (isSo()) {
        observer.disconnect();
        resolve();
      }
    };
    const observer = new MutationObserver(look);
    const what = { attributes: true, characterData: true, childList: true, subtree: true };
    observer.observe(document.body, what);
    look();
  });
  const isIdle = () => find("stApp").dataset.testScriptState === "notRunning";
  const times = [];
  await until(isIdle);
  for (let i = 0; i < presses; i++) {
    const before = find("stText").textContent;
    const begin = performance.now();
    find("stButton").querySelector("button").click();
    await until(() => find("stText").textContent !== before);
    times.push(performance.now() - begin);
    await until(isIdle);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return times;
}
"""


class Tab:
    """The page, shown, until it's closed.

    :ivar requests: How many it has made.
    :raise LoadError: It isn't shown.
    """

    def __init__(self, browser: Browser, port: int) -> None:
        from playwright.sync_api import Error

        self._context = browser.new_context()
        try:
            self._page = self._context.new_page()
            self._page.goto(f"http://127.0.0.1:{port}/", wait_until="commit", timeout=TIMEOUT)
            self._page.get_by_text(SHOWN).first.wait_for(timeout=TIMEOUT)
        except Error as e:
            self.close()
            raise LoadError(f"the page isn't shown: {str(e).splitlines()[0]}") from e
        self.requests = 0
        self._page.on("request", self._count)

    def press(self, presses: int) -> list[float]:
        """Press the button so often, and return how long the page took each time, in ms."""
        self._page.bring_to_front()
        return t.cast("list[float]", self._page.evaluate(PRESS, [presses, PAUSE]))

    @property
    def transport(self) -> str:
        """How its messages travel, as fluxsync's script says, if it does anything."""
        return t.cast(str, self._page.evaluate("window.fluxsync?.transport ?? 'websocket'"))

    def _count(self, _: object) -> None:
        self.requests += 1

    def close(self) -> None:
        self._context.close()
