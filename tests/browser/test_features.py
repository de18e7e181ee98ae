"""What Streamlit can do works in pages of an application, too."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import TIMEOUT, Tab
from tests.support.demo import expect_heading
from tests.support.openid import Provider
from tests.support.processes import PYTHON, Server, free_port

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

expect.set_options(timeout=TIMEOUT)


#: What ``st.login`` needs.
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "a text that nobody else knows, of some length"
client_id = "features"
client_secret = "another one"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""


class Features(Server):
    """The application of this test, as ``fluxsync run`` serves it.

    :param issuer: OpenID provider for its users.
    """

    def __init__(self, issuer: str) -> None:
        self.port = free_port()
        super().__init__(*PYTHON, "-m", "fluxsync", "run", "--port", str(self.port))
        source = Path(__file__).with_name("features")
        shutil.copytree(source, self.directory, dirs_exist_ok=True)
        secrets = self.directory / ".streamlit" / "secrets.toml"
        secrets.write_text(SECRETS.format(port=self.port, issuer=issuer))

    def start(self) -> None:
        super().start()
        self.wait_for_line(r"Running on http://127\.0\.0\.1:\d+", timeout=60)


@pytest.fixture(scope="module")
def site() -> t.Iterator[str]:
    with Provider() as provider, Features(provider.issuer) as server:
        server.shared = True
        yield f"http://127.0.0.1:{server.port}"


def text(page: Page, words: str) -> None:
    expect(page.get_by_text(words, exact=True)).to_be_visible()


def test_start(site: str, tab: Tab) -> None:
    """A fragment runs by itself, with parameters of its own; a dialog comes back to its page."""
    page = tab.page
    page.goto(site)
    expect_heading(page, "Start")
    expect(page).to_have_title("Start of all")
    text(page, "Here")
    text(page, "part run 1, 72 beats, 1 open")
    page.get_by_role("button", name="Again").click()
    text(page, "part run 2, 72 beats, 1 open")
    text(page, "page run 1")

    page.get_by_role("button", name="Ask").click()
    page.get_by_label("Answer").fill("yes")
    page.get_by_label("Answer").press("Enter")
    page.get_by_role("button", name="Submit").click()
    text(page, "answer yes 72")
    assert tab.problems == []


def test_deep_link(site: str, tab: Tab) -> None:
    """It leads to the page's own address, with the parameters that aren't its name."""
    page = tab.page
    page.goto(f"{site}/?page=Other&year=2024&year=2025&theme=dark")
    expect_heading(page, "Other")
    text(page, "years [2024, 2025], theme dark")
    expect(page).to_have_url(f"{site}/other?year=2024&year=2025&theme=dark")
    page.reload()
    text(page, "years [2024, 2025], theme dark")
    text(page, "agent Mozilla")
    text(page, "locale en-GB")
    assert tab.problems == []


def test_component_and_static_files(site: str, tab: Tab) -> None:
    page = tab.page
    page.goto(f"{site}/other")
    text(page, "clicks 0")
    page.frame_locator("iframe").get_by_role("button", name="Count").click()
    text(page, "clicks 1")
    image = page.get_by_role("img", name="A dot")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 40
    assert tab.problems == []


def test_errors_are_their_user_s(site: str, tab: Tab) -> None:
    """Wrong parameters are a line; an exception is shown, and the other pages go on."""
    page = tab.page
    page.goto(f"{site}/other?year=soon")
    expect(page.get_by_role("alert")).to_contain_text("Query parameter 'year' is 'soon'")
    page.goto(f"{site}/broken")
    expect(page.get_by_text("ValueError: no such table")).to_be_visible()
    page.get_by_role("link", name="Start").click()
    expect_heading(page, "Start")
    page.get_by_role("link", name="To the other one").click()
    expect_heading(page, "Other")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:authlib")
def test_login(site: str, tab: Tab) -> None:
    """Streamlit's own login, with its callback and its cookie."""
    page = tab.page
    page.goto(f"{site}/account")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("textbox").first.fill("ada@example.org")
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{site}/**")
    page.goto(f"{site}/account")
    text(page, "Hello ada@example.org")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="End session").click()
    page.wait_for_url(f"{site}/**")
    page.goto(f"{site}/account")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
