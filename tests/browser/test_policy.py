"""The Content-Security-Policy that docs/security.rst recommends, with real pages."""

from __future__ import annotations

import random
import re
import typing as t

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Tab
from tests.support.demo import (
    Demo,
    Site,
    exchange_file,
    expect_charts,
    expect_seconds,
    open_page,
    save_sighting,
)
from tests.support.gateways import Gateway
from tests.support.processes import ROOT

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

SCRIPT = """
import io, wave
import streamlit as st

sound = io.BytesIO()
with wave.open(sound, "wb") as file:
    file.setparams((1, 1, 8000, 0, "NONE", None))
    file.writeframes(bytes(8000))

st.title("Widgets")
st.dataframe({"a": [1, 2]})
st.data_editor({"b": [1, 2]})
st.code("print('highlighted')")
st.latex("x^2")
st.graphviz_chart("digraph { a -> b }")
st.audio(sound.getvalue(), format="audio/wav")
st.camera_input("Camera")
st.audio_input("Microphone")
st.write("Pressed" if st.button("Press") else "Not pressed")
if st.checkbox("Inject"):
    st.html("<p>Text</p><script>window.injected = 1</script>", unsafe_allow_javascript=True)
"""

#: What somebody would try who may write into a page.
INJECTION = """() => new Promise((resolve) => {
    const blocked = [];
    document.addEventListener("securitypolicyviolation", (event) => {
        blocked.push(event.effectiveDirective);
        if (blocked.length === 2) resolve(blocked);
    });
    document.body.insertAdjacentHTML(
        "beforeend", "<img src='data:,' onerror='window.injected = 2'>"
    );
    const script = document.createElement("script");
    script.textContent = "window.injected = 3";
    document.body.append(script);
})"""


def recommended() -> str:
    """Return the policy of the documentation, as one line."""
    text = (ROOT / "docs" / "security.rst").read_text(encoding="utf-8")
    found = re.search(r'content_security_policy = """\\\n(.*?)"""', text, re.S)
    assert found
    return " ".join(found[1].replace("\\\n", " ").split())


def settings() -> dict[str, str]:
    return {
        "FLUXSYNC_CONTENT_SECURITY_POLICY": recommended(),
        "FLUXSYNC_ENABLE_SECURITY_HEADERS": "true",
    }


def watch(page: Page) -> list[str]:
    """Return a list that gets every violation."""
    violations: list[str] = []
    page.expose_function("violated", lambda violation: violations.append(violation))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) => "
        "violated(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}`))"
    )
    return violations


def test_demo(serve: StartServer, tab: Tab) -> None:
    """All of it works, and the API's documentation."""
    demo = Demo("gthread", env=settings())
    serve(demo)
    site, page = Site(demo.port), tab.page
    violations = watch(page)

    open_page(page, site.url(), "A year in Brightwater")
    expect_charts(page)
    open_page(page, site.url("form"), "Sightings")
    save_sighting(page, f"Number {random.getrandbits(32)}")
    open_page(page, site.url("files"), "There and back again")
    exchange_file(page, "five.bin", random.randbytes(1_000_000))
    open_page(page, site.url("live"), "Rush hour")
    expect_seconds(page, changes=2)
    page.goto(site.url("api/docs"))
    expect(page.locator("[data-path='/summary']")).to_be_visible()

    assert violations == []
    assert tab.problems == []


def test_widgets_and_what_is_injected(serve: StartServer, tab: Tab) -> None:
    """Without a WebSocket."""
    env = {"FLUXSYNC_STREAMLIT_SCRIPT": "dashboard.py", "FLUXSYNC_GATEWAY_TRANSPORT": "stream"}
    gateway = Gateway(env={**env, **settings()})
    (gateway.directory / "dashboard.py").write_text(SCRIPT)
    serve(gateway)
    page = tab.page
    violations = watch(page)

    page.goto(gateway.url())
    page.get_by_role("button", name="Press", exact=True).click()
    expect(page.get_by_text("Pressed", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
    expect(page.get_by_test_id("stGraphVizChart").locator("svg")).to_be_visible()
    sound = page.get_by_test_id("stAudio").first
    page.wait_for_function("sound => sound.duration === 1", arg=sound.element_handle())
    assert violations == []
    assert tab.problems == []

    page.locator("label").filter(has_text="Inject").click()
    expect(page.get_by_text("Text", exact=True)).to_be_visible()
    assert set(page.evaluate(INJECTION)) == {"script-src-attr", "script-src-elem"}
    assert page.evaluate("window.injected") is None
    assert len(violations) == 3
