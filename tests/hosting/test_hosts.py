"""The demo on hosts that can't be had: no setting says where it is or how it is reached."""

from __future__ import annotations

import random
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page

from tests.support.browser import Tab
from tests.support.demo import (
    Demo,
    Site,
    count_up,
    exchange_file,
    expect_heading,
    expect_seconds,
    open_page,
    save_sighting,
    saved_notes,
)
from tests.support.hosts import PROFILES
from tests.support.meddlers import Meddler, Meddling

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

#: What serves where: the one that a host has, or may have; each of them somewhere.
SERVERS = {
    "connect": "sync",
    "connect without WebSockets": "sync",
    "workbench": "gthread",
    "jupyter": "gevent",
    "jupyterabs": "gevent",
    "codeserver": "gthread",
    "codeserver absproxy": "gthread",
    "heroku": "gthread",
    "dokku": "gthread",
    "passenger": "sync",
    "gae": "gevent",
    "no WebSocket": "gevent",
    "loses responses": "gevent",
}


def expect_cookies(page: Page, site: Site) -> None:
    """See that all cookies are sent to the page's mount, and none is lost on the way there."""
    everywhere, here = (
        {cookie["name"] for cookie in page.context.cookies(*urls)} for urls in ((), (site.url(),))
    )
    # One is for one address, and short-lived.
    assert everywhere - here <= {"fluxsync_redirects"}
    assert {"_streamlit_xsrf", "fluxsync_replica"} <= here


def is_expected(problem: str) -> bool:
    """Whether it's the handshake that was refused, or a response that was lost."""
    return "_stcore/stream" in problem or "ERR_" in problem


class Hosts:
    """Demos as their hosts would start them; hosts that only differ by their proxy share one."""

    def __init__(self) -> None:
        self._demos: dict[tuple[str, ...], tuple[Demo, Meddler]] = {}

    def get(self, name: str) -> tuple[Meddler, Site]:
        """Return a host's proxy, and where a browser finds the demo."""
        profile = PROFILES[name]
        key = (SERVERS[name], *profile.environ.values())
        if key not in self._demos:
            demo = Demo(SERVERS[name])
            front = Meddler(demo.port, does=Meddling())
            demo.shared = front.shared = True
            demo.env.update(profile.environ_of(front.port))
            self._demos[key] = demo.__enter__(), front.__enter__()
        demo, front = self._demos[key]
        front.does = profile.does_to(demo.port)
        front.requests.clear()
        return front, Site(front.port, f"{profile.mount_of(demo.port)}/")

    def end(self) -> None:
        for _, front in self._demos.values():
            front.__exit__()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda pair: pair[0].__exit__(None, None, None), self._demos.values()))


@pytest.fixture(scope="module")
def hosts() -> t.Iterator[Hosts]:
    hosts = Hosts()
    yield hosts
    hosts.end()


@pytest.mark.parametrize("name", PROFILES)
def test_visit(hosts: Hosts, tab: Tab, name: str) -> None:
    """A page by its address, a form, files in both directions, and a link that is reloaded."""
    page = tab.page
    front, site = hosts.get(name)
    open_page(page, site.url(), "A year in Brightwater")
    # Nobody types the slash, but links have it; from there on, all is below the mount.
    open_page(page, site.url("form/"), "Sightings")
    assert page.url == site.url("form")
    note = f"A rickshaw, number {random.getrandbits(32)}"
    save_sighting(page, note)
    assert saved_notes(page, site).count(note) == 1
    page.get_by_role("link", name="Files").click()
    exchange_file(page, "some.bin", random.randbytes(100_000))
    page.get_by_role("link", name="Rush hour").click()
    count_up(page, 1)
    page.reload()
    expect_heading(page, "Rush hour")
    count_up(page, 1)
    expect_seconds(page)
    assert page.url == site.url("live")
    assert page.evaluate("window.fluxsync.transport") == PROFILES[name].transport
    expect_cookies(page, site)
    below = tuple(f"{method} {site.path}" for method in ("GET", "POST", "PUT", "HEAD", "DELETE"))
    assert all(request.startswith(below) for request in front.requests)
    problems = [problem for problem in tab.problems if not is_expected(problem)]
    assert problems == []
