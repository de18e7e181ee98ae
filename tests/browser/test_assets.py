"""What a browser loads of Streamlit's frontend files, and how many bytes that is."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fluxsync.assets import build, encoders, frontend
from tests.support.browser import Tab
from tests.support.gateways import Gateway

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

SCRIPT = """
import streamlit as st

st.title("A page")
st.button("A button")
"""


class Traffic:
    """Frontend files that came over the network."""

    def __init__(self, tab: Tab) -> None:
        self.urls: dict[str, str] = {}
        self.codings: dict[str, str] = {}
        self.bytes = 0
        session = tab.context.new_cdp_session(tab.page)
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def _received(self, event: dict[str, t.Any]) -> None:
        response = event["response"]
        path = "/" + response["url"].split("/", 3)[3]
        if "/static/" in path and not response.get("fromDiskCache"):
            self.urls[event["requestId"]] = path
            headers = {name.lower(): value for name, value in response["headers"].items()}
            self.codings[path] = headers.get("content-encoding", "identity")

    def _finished(self, event: dict[str, t.Any]) -> None:
        if event["requestId"] in self.urls:
            self.bytes += int(event["encodedDataLength"])


@pytest.mark.parametrize("worker_class", ["gthread", "gevent"])
def test_first_and_second_visit(
    worker_class: str, serve: StartServer, tab: Tab, tmp_path: Path
) -> None:
    package = frontend.find_package()
    assert package is not None
    files = frontend.scan(package)
    list(build.build(files, [tmp_path / "cache"], encoders.encoders(best=False)))
    env = {"FLUXSYNC_STREAMLIT_SCRIPT": "page.py", "FLUXSYNC_CACHE_DIR": str(tmp_path / "cache")}
    gateway = Gateway(worker_class, env=env)
    (gateway.directory / "page.py").write_text(SCRIPT)
    serve(gateway)

    first = Traffic(tab)
    tab.page.goto(gateway.url())
    expect(tab.page.get_by_role("button", name="A button")).to_be_visible()
    tab.page.wait_for_load_state("networkidle")
    loaded = set(first.codings)
    assert len(loaded) > 20
    assert loaded <= files.files.keys()
    plain = sum(files.files[path].size for path in loaded)
    assert first.bytes < 0.5 * plain, (first.bytes, plain)
    # Chromium takes Brotli from loopback and over HTTPS, and gzip from anywhere.
    large = {path for path in loaded if path.endswith(".js") and files.files[path].size > 5000}
    assert {first.codings[path] for path in large} <= {"br", "zstd", "gzip"}

    second = Traffic(tab)
    tab.page.goto(gateway.url("/?again"))
    expect(tab.page.get_by_role("button", name="A button")).to_be_visible()
    assert second.bytes == 0
    assert not set(second.codings) - loaded
    assert tab.problems == []
