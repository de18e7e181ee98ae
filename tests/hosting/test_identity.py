"""The user of Posit Connect in a page: whoever comes through Connect, and nobody else."""

from __future__ import annotations

import typing as t

import pytest
from playwright.sync_api import expect

from tests.support.browser import Tab
from tests.support.gateways import Gateway

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = [pytest.mark.browser, pytest.mark.streamlit]

PAGE = """
import streamlit as st

if st.user.get("name"):
    st.write(f"{st.user.name}, in {st.user.groups}")
else:
    st.write("Nobody")
"""
CREDENTIALS = {"RStudio-Connect-Credentials": '{"user": "ada", "groups": ["staff", "r"]}'}
FORGED = {"X-Fluxsync-User": "admin", "X-Fluxsync-Groups": '["admins"]'}


@pytest.mark.parametrize("transport", ["websocket", "long-poll"])
@pytest.mark.parametrize(
    ("host", "sent", "expected"),
    [
        pytest.param("CONNECT", {**CREDENTIALS, **FORGED}, 'ada, in ["staff", "r"]', id="user"),
        pytest.param("CONNECT", FORGED, "Nobody", id="anonymous"),
        pytest.param("", {**CREDENTIALS, **FORGED}, "Nobody", id="elsewhere"),
    ],
)
def test_user(
    serve: StartServer,
    tab: Tab,
    transport: str,
    host: str,
    sent: dict[str, str],
    expected: str,
) -> None:
    env = {
        "POSIT_PRODUCT": host,
        "FLUXSYNC_STREAMLIT_SCRIPT": "page.py",
        "FLUXSYNC_GATEWAY_TRANSPORT": transport,
    }
    gateway = Gateway(env=env)
    (gateway.directory / "page.py").write_text(PAGE)
    serve(gateway)
    tab.context.set_extra_http_headers(sent)
    tab.page.goto(gateway.url())
    expect(tab.page.get_by_text(expected, exact=True)).to_be_visible()
