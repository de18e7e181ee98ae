from __future__ import annotations

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.login import is_local, is_secure, with_query


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://example.org/keys?p=1", True),
        ("https://example.org:8443", True),
        ("http://localhost:8080/a", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:80/", True),
        ("http://example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost@example.org", False),
        ("https://", False),
        ("https://[", False),
        ("https://example.org:port", False),
        ("https://exa mple.org", False),
        ("https://example.org\n", False),
        ("file:///etc/passwd", False),
        ("//example.org", False),
        ("", False),
    ],
)
def test_is_secure(url: str, secure: bool) -> None:
    assert is_secure(url) is secure


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/", True),
        ("/reports", True),
        ("/reports?year=2024&q=a//b%20c", True),
        ("", False),
        ("reports", False),
        ("//example.org", False),
        ("/\\example.org", False),
        ("/\t/example.org", False),
        ("/a//b", False),
        ("/../other-app", False),
        ("/a/..?x", False),
        ("/%2e%2e/other-app", False),
        ("/#fragment", False),
        ("/é", False),
        ("https://example.org", False),
        ("/" + "x" * 256, False),
    ],
)
def test_is_local(path: str, local: bool) -> None:
    assert is_local(path) is local


@given(st.text(alphabet="/\\.:@?#%a2e\t\n ", min_size=1, max_size=20).map(lambda s: "/" + s))
def test_local_paths_stay_below_their_root(path: str) -> None:
    if is_local(path):
        parts = urlsplit(urljoin("https://example.org/app/", "/app" + path))
        assert parts.netloc == "example.org"
        assert parts.path.startswith("/app/")


@pytest.mark.parametrize("url", ["https://a/b", "https://a/b?c=1", "/x?c="])
def test_with_query(url: str) -> None:
    found = parse_qs(urlsplit(with_query(url, a="&b =é", d="2")).query, keep_blank_values=True)

    assert found["a"] == ["&b =é"]
    assert found["d"] == ["2"]
    assert with_query(url) == url
