"""Real pages with fluxsync's script in them, under root paths that nobody has announced."""

from __future__ import annotations

import shutil
import typing as t
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Tab
from tests.support.fronts import Prefix
from tests.support.gateways import Gateway
from tests.support.nginx import Nginx

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.streamlit,
    pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="no nginx"),
]

#: Where Workbench publishes a port. It strips this, and tells the gateway nothing about it.
PREFIX = "/s/abc/p/def"

#: nginx has a random hexadecimal number for each request.
STRICT = "script-src 'nonce-$request_id' 'strict-dynamic'; object-src 'none'; base-uri 'none'"
SAME_ORIGIN = "script-src 'self'"

SCRIPT = """
import streamlit as st

st.title("First page")
st.write("Pressed" if st.button("Press") else "Not pressed")
st.dataframe({"a": [1, 2]})
st.code("print('highlighted')")
"""

SECOND = """
import streamlit as st

st.title("Page two")
"""


class PolicyNginx(Nginx):
    """Gives pages a Content-Security-Policy, and the gateway its nonce."""

    def __init__(self, gateway_port: int, policy: str) -> None:
        self.policy = policy
        super().__init__(gateway_port, Prefix.STRIP, PREFIX)

    def configure(self, gateway_port: int) -> None:
        super().configure(gateway_port)
        path = self.directory / "nginx.conf"
        more = (
            f'add_header Content-Security-Policy "{self.policy}";\n'
            "            proxy_set_header X-CSP-Nonce $request_id;\n"
        )
        end = "proxy_read_timeout 300s;\n"
        text = path.read_text()
        assert text.count(end) == 1
        path.write_text(text.replace(end, f"{end}            {more}"))


class Traffic:
    """What a page loads from its server."""

    def __init__(self, page: Page) -> None:
        self.answers: list[tuple[int, str]] = []
        page.on("response", lambda r: self.answers.append((r.status, urlsplit(r.url).path)))

    @property
    def failed(self) -> list[tuple[int, str]]:
        return [answer for answer in self.answers if answer[0] >= 400]

    def paths(self, end: str) -> list[str]:
        return [path for _, path in self.answers if path.endswith(end)]


def start(serve: StartServer, **settings: str) -> Gateway:
    env = {f"FLUXSYNC_{name.upper()}": value for name, value in settings.items()}
    gateway = Gateway(env={"FLUXSYNC_STREAMLIT_SCRIPT": "dashboard.py", **env})
    (gateway.directory / "dashboard.py").write_text(SCRIPT)
    (gateway.directory / "pages").mkdir()
    (gateway.directory / "pages" / "2_second.py").write_text(SECOND)
    serve(gateway)
    return gateway


def see(page: Page, url: str, heading: str) -> None:
    page.goto(url)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()


def use(page: Page, url: str) -> None:
    """See a page, press its button, and go to the other one."""
    see(page, url, "First page")
    page.get_by_role("button", name="Press").click()
    expect(page.get_by_text("Pressed", exact=True)).to_be_visible()
    page.get_by_role("link", name="second").click()
    expect(page.get_by_role("heading", name="Page two", level=1)).to_be_visible()


@pytest.mark.parametrize("kind", ["inline", "file"])
def test_page_finds_its_root_path(serve: StartServer, tab: Tab, kind: str) -> None:
    """It asks one address only whether its server is there, which is the right one."""
    gateway = start(serve, gateway_page_script=kind)
    front = Nginx(gateway.port, Prefix.STRIP, PREFIX)
    serve(front)

    for base, root in ((gateway.url(""), ""), (front.url()[:-1], PREFIX)):
        for path, heading in (("/", "First page"), ("/second", "Page two")):
            traffic = Traffic(tab.page)
            see(tab.page, base + path, heading)
            assert traffic.paths("/_stcore/health") == [f"{root}/_stcore/health"]
            assert traffic.failed == []
            files = [f"{root}/__fluxsync/shim.js"] if kind == "file" else []
            assert traffic.paths("shim.js") == files
    use(tab.page, front.url())
    assert tab.problems == []


def test_redirect_stays_below_the_root_path(serve: StartServer, tab: Tab) -> None:
    gateway = start(serve)
    front = Nginx(gateway.port, Prefix.STRIP, PREFIX)
    serve(front)

    see(tab.page, front.url("second/"), "Page two")

    assert tab.page.url == front.url("second")
    assert tab.problems == []


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("inline", STRICT), ("file", STRICT), ("file", SAME_ORIGIN)],
    ids=["strict-inline", "strict-file", "same-origin"],
)
def test_policy(serve: StartServer, tab: Tab, kind: str, policy: str) -> None:
    """All scripts run that the page needs."""
    gateway = start(
        serve,
        gateway_page_script=kind,
        gateway_csp_nonce_header="X-CSP-Nonce",
        trust_proxy="true",
    )
    front = PolicyNginx(gateway.port, policy)
    serve(front)
    traffic = Traffic(tab.page)

    use(tab.page, front.url())

    assert traffic.paths("/_stcore/health") == [f"{PREFIX}/_stcore/health"]
    # Streamlit's page has an inline script of its own, for search engines.
    is_blocked = policy == SAME_ORIGIN
    assert len(tab.problems) == is_blocked, tab.problems
    assert all("Executing inline script violates" in problem for problem in tab.problems)
