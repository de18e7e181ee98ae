"""Three ways in: an application object, a script with pages beside it, a server that runs."""

from __future__ import annotations

import typing as t

import pytest
from playwright.sync_api import Page, expect

from tests.support.gateways import Gateway
from tests.support.processes import PYTHON, Server, free_port

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

APP = """
from fluxsync import FluxSync

app = FluxSync(title="Own")


@app.api.get("/users")
def users():
    return ["Ada", "Grace"]


@app.page("/", title="Home")
def home(st, client):
    st.title("Own home")
    st.write("Users: " + ", ".join(client.get("/users").json()))


@app.page("/other", title="Other")
def other(st):
    st.title("Another page")
"""

SCRIPT = """
import streamlit as st

import words

st.title("A dashboard")
st.write(words.GREETING)
"""

SECOND = """
import streamlit as st

st.title("Page two")
"""


def open_page(page: Page, url: str, heading: str) -> None:
    page.goto(url)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()


def write_script(server: Server) -> None:
    (server.directory / "dashboard.py").write_text(SCRIPT)
    (server.directory / "words.py").write_text('GREETING = "Good morning"')
    (server.directory / "pages").mkdir()
    (server.directory / "pages" / "2_second.py").write_text(SECOND)


def use_script(page: Page, gateway: Gateway) -> None:
    """See both pages, the second one by its address too, and the API beside them."""
    open_page(page, gateway.url(), "A dashboard")
    expect(page.get_by_text("Good morning")).to_be_visible()
    page.get_by_role("link", name="second").click()
    expect(page.get_by_role("heading", name="Page two", level=1)).to_be_visible()
    open_page(page, gateway.url("/second"), "Page two")
    assert gateway.get("/api/openapi.json").status == 200


@pytest.mark.parametrize("target", ["app:app", "fluxsync.wsgi"])
def test_application(serve: StartServer, page: Page, target: str) -> None:
    gateway = Gateway(target=target)
    (gateway.directory / "app.py").write_text(APP)
    serve(gateway)

    open_page(page, gateway.url(), "Own home")
    expect(page.get_by_text("Users: Ada, Grace")).to_be_visible()
    open_page(page, gateway.url("/other"), "Another page")
    assert gateway.get("/api/users").json() == ["Ada", "Grace"]


def test_script(serve: StartServer, page: Page) -> None:
    gateway = Gateway("sync", env={"FLUXSYNC_STREAMLIT_SCRIPT": "dashboard.py"})
    write_script(gateway)
    serve(gateway)

    use_script(page, gateway)


def test_running_server(serve: StartServer, page: Page) -> None:
    """Streamlit as somebody else has started it, with its defaults."""
    port = free_port()
    options = (f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true")
    streamlit = Server(*PYTHON, "-m", "streamlit", "run", "dashboard.py", *options)
    write_script(streamlit)
    serve(streamlit)
    gateway = Gateway("gevent", env={"FLUXSYNC_STREAMLIT_UPSTREAM": f"http://127.0.0.1:{port}"})
    serve(gateway)

    use_script(page, gateway)
