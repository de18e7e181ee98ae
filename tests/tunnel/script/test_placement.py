"""What the page's script says where the page isn't where it's taken to be."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from fluxsync.gateway.script import load

from .conftest import START, ScriptPage

pytestmark = [pytest.mark.browser, pytest.mark.live_server]

#: Resolves when the script has asked whether it's below the mount itself.
MISS = """
  const asked = new Promise((resolve) => {
    const native = window.fetch;
    window.fetch = async (...request) => {
      const answer = await native(...request);
      resolve(answer.status);
      return answer;
    };
  });
  const script = document.createElement("script");
  script.src = new URL(argument, location).href;
  document.head.append(script);
  return await asked;
"""


def start(page: ScriptPage, pathname: str, root: str = "") -> Page:
    """Run the script in a page that the gateway was asked for as ``/echo``, and lose a file."""
    page.page.goto(page.gateway.url("/echo"))  # without what other tests do to its network
    page.page.evaluate("(path) => history.replaceState(null, '', path)", pathname)
    settings = {"transport": "websocket", "path": "/echo", **({"root": root} if root else {})}
    page.page.route("**/static/js/missing.js", lambda route: route.fulfill(status=404))
    page.page.evaluate(START, [load().text.decode(), settings])
    return page.page


def notices(page: Page) -> list[str]:
    return page.get_by_role("alert").all_inner_texts()


def test_file_that_is_missing(script_page: ScriptPage) -> None:
    """A mistake of somebody else's, as where the script is, the mount is."""
    page = start(script_page, "/echo")

    assert script_page.run(MISS, "static/js/missing.js") == 200
    assert notices(page) == []


def test_nothing_is_where_the_mount_should_be(script_page: ScriptPage) -> None:
    page = start(script_page, "/tools/echo")

    assert script_page.run(MISS, "static/js/missing.js") == 404
    expect(page.get_by_role("alert")).to_contain_text("or set FLUXSYNC_ROOT_PATH=/tools/echo.")
    page.get_by_role("button", name="Close").click()
    assert notices(page) == []


def test_address_is_text(script_page: ScriptPage) -> None:
    page = start(script_page, "/$(b)<b>/echo")

    assert script_page.run(MISS, "static/js/missing.js") == 404
    expect(page.get_by_role("alert")).to_contain_text("let it remove /$(b)%3Cb%3E/echo")
    assert "FLUXSYNC_ROOT_PATH" not in notices(page)[0]


@pytest.mark.parametrize(
    ("pathname", "root", "said"),
    [
        ("/tools/echo", "/tools", None),
        ("/a%20b/echo", "/a b", None),
        ("/other", "/tools", None),
        ("/echo", "", None),
        ("/tools/echo", "/other", "Set FLUXSYNC_ROOT_PATH=/tools, or open the page at /other/."),
        ("/echo", "/other", "Set no FLUXSYNC_ROOT_PATH, or open the page at /other/."),
        ("/%e9/echo", "/other", "This page is at /%e9/, and"),
        ("/$(b)/echo", "/other", "do not work here. Open the page at /other/."),
    ],
)
def test_root_path_that_is_set(
    script_page: ScriptPage, pathname: str, root: str, said: str | None
) -> None:
    page = start(script_page, pathname, root)

    found = notices(page)
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
