from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.workbench import DEFAULT_TOKEN, browser_url, hide_port, show_port

#: By the rule of rstudio/rstudio, ``UrlPorts.cpp``: 8050 * 8854 % 65535 is 38155.
HIDDEN = f"{(38155 * 0xA433) ^ 0xE59DC087:08x}"


def test_hidden_port() -> None:
    assert hide_port(8050) == HIDDEN == "ba057db6"


@given(st.integers(1, 65534), st.integers(1, 0xFFFF), st.integers(0, 0xFFFFFFFF))
def test_what_is_hidden_can_be_shown(port: int, multiplier: int, key: int) -> None:
    token = f"{multiplier:04x}{key:08x}"

    assert show_port(hide_port(port, token), token) == port


@pytest.mark.parametrize("token", ["", "a433", "not hexadecima", "a433e59dc08g"])
def test_no_token(token: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal|invalid literal"):
        hide_port(8050, token)


@pytest.mark.parametrize("hidden", ["00000000", "zzzz"])
def test_nothing_hidden(hidden: str) -> None:
    with pytest.raises(ValueError, match=r"hides no port|invalid literal"):
        show_port(hidden)


@pytest.mark.parametrize(
    ("server", "session", "expected"),
    [
        ("https://wb.example/", "/s/1/", "https://wb.example/s/1/p/"),
        ("https://wb.example", "s/1", "https://wb.example/s/1/p/"),
        ("https://wb.example/rstudio/", "/s/1/", "https://wb.example/rstudio/s/1/p/"),
        ("https://wb.example/rstudio/", "/rstudio/s/1/", "https://wb.example/rstudio/s/1/p/"),
        ("", "https://wb.example/s/1/", "https://wb.example/s/1/p/"),
        ("https://wb.example/", "//other.example/s/1/", "https://other.example/s/1/p/"),
        ("", "/s/1/", "/s/1/p/"),
        ("https://wb.example/", "", "https://wb.example/p/"),
    ],
)
def test_browser_url(server: str, session: str, expected: str) -> None:
    assert browser_url(server, session, 8050) == f"{expected}{HIDDEN}/"


@pytest.mark.parametrize(
    ("server", "session"),
    [
        ("javascript:x", "/s/1/"),
        ("file:///etc/", "/s/1/"),
        ("no scheme", "/s/1/"),
        ("", "javascript:alert(1)"),
        ("https://wb.example/", "javascript:alert(1)"),
    ],
)
def test_no_session(server: str, session: str) -> None:
    with pytest.raises(ValueError, match="not the URL"):
        browser_url(server, session, 8050, DEFAULT_TOKEN)
