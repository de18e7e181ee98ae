from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.rewriting import rewrite, rewrite_cookie_path, rewrite_location

AUTHORITIES = ("app.example", "127.0.0.1:8501")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param("/docs/", "../docs/", id="path"),
        pytest.param("/?a=b#c", "../?a=b#c", id="query and fragment"),
        pytest.param("http://127.0.0.1:8501/pages/x", "x", id="the upstream's own address"),
        pytest.param("https://app.example", "../", id="the host it was told, no path"),
        pytest.param("//app.example/a", "../a", id="no scheme"),
        pytest.param("https://login.example/a", "https://login.example/a", id="another host"),
        pytest.param("//login.example/a", "//login.example/a", id="another host, no scheme"),
        pytest.param("http://app.example:81/", "http://app.example:81/", id="another port"),
        pytest.param("x/y", "x/y", id="relative"),
        pytest.param("?a=b", "?a=b", id="query only"),
        pytest.param("", "", id="empty"),
        pytest.param("mailto:/a", "mailto:/a", id="another scheme"),
        pytest.param("http://[", "http://[", id="no URL at all"),
    ],
)
def test_rewrite_location(location: str, expected: str) -> None:
    assert rewrite_location(location, "/pages/y", AUTHORITIES) == expected


@given(
    st.sampled_from(["", "/app", "/a/b"]),
    st.sampled_from(["/", "/x", "/x/", "/x/y"]),
    st.sampled_from(["", "http://app.example", "//127.0.0.1:8501"]),
    st.text("ab:.?&=#", max_size=8).filter(lambda text: ".." not in text),
)
def test_redirects_stay_under_any_mount(mount: str, page: str, prefix: str, rest: str) -> None:
    reference = rewrite_location(f"{prefix}/{rest}", page, AUTHORITIES)

    wanted = urljoin("http://h/", f"/{rest}")
    arrived = urljoin(f"http://h{mount}{page}", reference)
    assert arrived == wanted.replace("http://h/", f"http://h{mount}/", 1)


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        pytest.param("a=b; Path=/; Secure", "a=b; Path=/app; Secure", id="root"),
        pytest.param("a=b;path=/x", "a=b; path=/app/x", id="path in lower case"),
        pytest.param("a=b; HttpOnly", "a=b; HttpOnly", id="no path"),
        pytest.param("Path=/; Path=x", "Path=/; Path=x", id="cookie's name, relative path"),
    ],
)
def test_rewrite_cookie_path(cookie: str, expected: str) -> None:
    assert rewrite_cookie_path(cookie, "/app") == expected


def test_cookies_are_left_alone_without_a_root() -> None:
    assert rewrite_cookie_path("a=b;Path=/", "") == "a=b;Path=/"


def test_rewrite() -> None:
    headers = [
        ("location", "/"),
        ("Set-Cookie", "a=b; Path=/"),
        ("set-cookie", "c=d; Path=/"),
        ("Link", "</a>"),
    ]

    assert rewrite(headers, "/x/y", "/app", ()) == [
        ("location", "../"),
        ("Set-Cookie", "a=b; Path=/app"),
        ("set-cookie", "c=d; Path=/app"),
        ("Link", "</a>"),
    ]
