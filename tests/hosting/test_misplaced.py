"""A prefix that the proxy leaves and nobody has announced: a person reads what to set."""

from __future__ import annotations

import shutil
import typing as t

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Tab
from tests.support.demo import Demo, exchange_file, open_page
from tests.support.fronts import Prefix
from tests.support.nginx import Nginx

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.streamlit,
    pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="no nginx"),
]

HINT = "let it remove /tools from what it forwards, or set FLUXSYNC_ROOT_PATH=/tools"


class BareNginx(Nginx):
    """Publishes ``/tools`` without a slash, so that it has none to add."""

    def __init__(self, gateway_port: int) -> None:
        super().__init__(gateway_port, Prefix.FULL, "/tools")

    def configure(self, gateway_port: int) -> None:
        super().configure(gateway_port)
        path = self.directory / "nginx.conf"
        path.write_text(path.read_text().replace("location /tools/ {", "location /tools {"))


class SameNginx(Nginx):
    """Stands on the port where another one was."""

    def __init__(self, gateway_port: int, port: int) -> None:
        super().__init__(gateway_port, Prefix.FULL, "/other")
        self.port = port
        self.configure(gateway_port)


def shared(*options: str) -> t.Iterator[Demo]:
    demo = Demo("gthread", *options)
    demo.shared = True
    with demo:
        yield demo


@pytest.fixture(scope="module")
def demo() -> t.Iterator[Demo]:
    """A demo that knows of no prefix."""
    yield from shared()


@pytest.fixture(scope="module")
def other() -> t.Iterator[Demo]:
    """A demo that is to be at ``/other``."""
    yield from shared("--root-path", "/other")


def explanation(page: Page) -> str:
    """Return what the page says that stands there instead of Streamlit's."""
    expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
    return page.inner_text("p")


def notice(page: Page) -> str:
    """Return what is said above Streamlit's page."""
    return page.get_by_role("alert").filter(has_text="FLUXSYNC").inner_text()


def test_prefix_that_stays(demo: Demo, serve: StartServer, tab: Tab) -> None:
    """``location /tools/ { proxy_pass http://127.0.0.1:8000; }``."""
    front = serve(Nginx(demo.port, Prefix.FULL, "/tools"))
    assert isinstance(front, Nginx)
    page = tab.page

    response = page.goto(front.url())
    assert response is not None
    assert response.status == 404
    assert response.headers["cache-control"] == "no-store"
    assert HINT in explanation(page)
    assert "from /tools/ to /tools, and from there back" in explanation(page)
    page.goto(front.url("form"))
    assert HINT in explanation(page)
    page.goto(front.url("form/"))
    assert "FLUXSYNC_ROOT_PATH=/tools/form" not in explanation(page)
    assert HINT in explanation(page)


def test_once_it_is_set(demo: Demo, other: Demo, serve: StartServer, tab: Tab) -> None:
    """The browser that saw the explanation comes again, and nothing of that has stayed."""
    with Nginx(demo.port, Prefix.FULL, "/other") as front:
        tab.page.goto(front.url())
        assert "FLUXSYNC_ROOT_PATH=/other" in explanation(tab.page)

    front = SameNginx(other.port, front.port)
    serve(front)
    open_page(tab.page, front.url(), "A year in Brightwater")
    open_page(tab.page, front.url("form/"), "Sightings")
    assert tab.page.url == front.url("form")


def test_prefix_without_a_slash(demo: Demo, serve: StartServer, tab: Tab) -> None:
    """Streamlit takes it for a page's name, and looks for its files beside it."""
    front = serve(BareNginx(demo.port))
    assert isinstance(front, Nginx)

    for path in "/tools", "/tools/":
        tab.page.goto(f"http://127.0.0.1:{front.port}{path}")
        assert HINT in notice(tab.page)
    tab.page.get_by_role("button", name="Close").click()
    expect(tab.page.get_by_role("alert")).to_have_count(0)
    tab.page.goto(front.url("form"))
    assert HINT in explanation(tab.page)


def test_another_root_path_is_set(other: Demo, serve: StartServer, tab: Tab) -> None:
    """The page works, but for what needs cookies, and says so."""
    page = tab.page

    stripping = serve(Nginx(other.port, Prefix.STRIP, "/tools"))
    assert isinstance(stripping, Nginx)
    open_page(page, stripping.url("files"), "There and back again")
    assert "is set to /other" in notice(page)
    assert "Set FLUXSYNC_ROOT_PATH=/tools," in notice(page)

    front = serve(Nginx(other.port, Prefix.FULL, "/tools"))
    assert isinstance(front, Nginx)
    page.goto(front.url("files"))
    assert f"{HINT} (it is /other now)." in explanation(page)

    right = serve(Nginx(other.port, Prefix.STRIP, "/other"))
    assert isinstance(right, Nginx)
    open_page(page, right.url("files"), "There and back again")
    expect(page.get_by_role("alert").filter(has_text="FLUXSYNC")).to_have_count(0)
    exchange_file(page, "a.bin", b"abc")
