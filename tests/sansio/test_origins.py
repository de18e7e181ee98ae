from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.origins import authority, is_allowed, is_cross_site


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param("http://Example.org", ("example.org", 80), id="default port"),
        pytest.param("https://example.org", ("example.org", 443), id="default port of https"),
        pytest.param("wss://example.org:8443", ("example.org", 8443), id="port"),
        pytest.param("http://[::1]:8000", ("::1", 8000), id="IPv6"),
        pytest.param("null", None, id="null"),
        pytest.param("", None, id="empty"),
        pytest.param("http://", None, id="no host"),
        pytest.param("file:///etc", None, id="file"),
        pytest.param("chrome-extension://abc", None, id="another scheme"),
        pytest.param("http://a:b", None, id="port that is none"),
        pytest.param("http://[", None, id="no URL"),
    ],
)
def test_authority(origin: str, expected: tuple[str, int] | None) -> None:
    assert authority(origin) == expected


ALLOWED = ("https://partner.example", "https://lab.example:8443")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param("", True, id="none sent"),
        pytest.param("http://app.example:8000", True, id="own"),
        pytest.param("https://app.example:8000", True, id="own, TLS ends before us"),
        pytest.param("http://app.example", False, id="own host, other port"),
        pytest.param("https://partner.example", True, id="welcome"),
        pytest.param("https://partner.example:443", True, id="welcome, port spelled out"),
        pytest.param("http://partner.example", False, id="welcome with TLS only"),
        pytest.param("http://lab.example:8443", False, id="welcome with TLS only, same port"),
        pytest.param("https://app.example.evil.example:8000", False, id="foreign"),
        pytest.param("null", False, id="sandboxed page"),
    ],
)
def test_is_allowed(origin: str, expected: bool) -> None:
    assert is_allowed(origin, "app.example:8000", ALLOWED) is expected


def test_default_ports_are_the_same_site() -> None:
    assert is_allowed("https://app.example", "app.example:443", ())
    assert is_allowed("https://app.example:443", "app.example", ())


@given(st.text(), st.text())
def test_nothing_that_is_sent_is_an_error(origin: str, host: str) -> None:
    assert is_allowed(origin, host, ALLOWED) in (True, False)


@given(
    st.sampled_from(["http", "https"]),
    st.sampled_from(["app.example", "lab.example", "evil.example"]),
    st.sampled_from([80, 443, 8000, 8443]),
)
def test_own_host_or_welcome_origin(scheme: str, host: str, port: int) -> None:
    own = (host, port) == ("app.example", 8000)
    welcome = (scheme, host, port) == ("https", "lab.example", 8443)

    allowed = is_allowed(f"{scheme}://{host}:{port}", "app.example:8000", ALLOWED)

    assert allowed is (own or welcome)


@pytest.mark.parametrize(
    ("method", "origin", "fetch_site", "expected"),
    [
        pytest.param("GET", "https://evil.example", "cross-site", False, id="safe method"),
        pytest.param("POST", "https://evil.example", "", True, id="foreign origin"),
        pytest.param("POST", "https://app.example", "", False, id="own origin"),
        pytest.param("POST", "", "cross-site", True, id="no origin, browser says foreign"),
        pytest.param("POST", "", "same-origin", False, id="no origin, browser says own"),
        pytest.param("POST", "", "", False, id="no browser"),
        pytest.param("PUT", "null", "same-origin", True, id="sandboxed page"),
    ],
)
def test_is_cross_site(method: str, origin: str, fetch_site: str, expected: bool) -> None:
    assert is_cross_site(method, origin, fetch_site, "app.example", ()) is expected
