from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.hosts import Hosts, is_pattern, name_of

HOSTS = Hosts(("app.example.org", ".example.com", "127.0.0.1", "[::1]"))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        pytest.param("app.example.org", True, id="name"),
        pytest.param("APP.Example.org:8000", True, id="case and port"),
        pytest.param("app.example.org.", True, id="absolute name"),
        pytest.param("app.example.org:", True, id="empty port"),
        pytest.param("127.0.0.1:8000", True, id="address"),
        pytest.param("[::1]:8000", True, id="IPv6"),
        pytest.param("[::1]", True, id="IPv6 without port"),
        pytest.param("a.example.com", True, id="below a name"),
        pytest.param("a.b.example.com:1", True, id="far below"),
        pytest.param("example.com", False, id="not the name itself"),
        pytest.param("evilexample.com", False, id="ends alike"),
        pytest.param(".example.com", False, id="nothing below"),
        pytest.param("app.example.org.evil.org", False, id="begins alike"),
        pytest.param("example.org", False, id="above"),
        pytest.param("", False, id="none"),
        pytest.param("app.example.org:80a", False, id="port that is none"),
        pytest.param("app.example.org, evil.org", False, id="two"),
        pytest.param("evil.org/.example.com", False, id="path"),
        pytest.param("evil.org#.example.com", False, id="fragment"),
        pytest.param("evil.org@a.example.com", False, id="user"),
        pytest.param("a" * 300 + ".example.com", False, id="huge"),
        pytest.param("::1", False, id="IPv6 without brackets"),
    ],
)
def test_allows(host: str, allowed: bool) -> None:
    assert HOSTS.allows(host) is allowed


@pytest.mark.parametrize("text", ["example.org", ".example.org", "a_b", "10.0.0.1", "[::1]"])
def test_patterns(text: str) -> None:
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text", ["", ".", "*", "*.a", "a:80", "http://a", "a/b", "..a", "a..b", "-a", "[a", "a" * 254]
)
def test_no_patterns(text: str) -> None:
    assert not is_pattern(text)


@given(st.text())
def test_names_are_what_may_be_compared(host: str) -> None:
    """Whatever comes is malformed, or a name that could be in the settings."""
    name = name_of(host)

    assert not name or (
        is_pattern(name[:253]) and name == name.lower() and ":" not in name.split("]")[-1]
    )
