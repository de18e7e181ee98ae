from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.callpaths import check_base, is_inside, join


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/api/", "http://h/api"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_base(url: str, expected: str) -> None:
    assert check_base(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "h/api",
            "ftp://h",
            "http://",
            "http://h:x",
            "http://h/?a",
            "http://h/#a",
            "http://h/\n",
        ),
        *("http://h?", "http://h/a#", " http://h", "http://h h/"),
    ],
)
def test_base_that_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^base_url=.*: expected an http:// or https:// URL"):
        check_base(url)


def test_what_is_no_text() -> None:
    with pytest.raises(TypeError, match=r"^base_url=5: expected an http"):
        check_base(t.cast("t.Any", 5))
    with pytest.raises(TypeError, match=r"^path=None: expected a path such as '/users'"):
        join("http://h/api", t.cast("t.Any", None))


def test_password_in_a_base_is_not_shown() -> None:
    with pytest.raises(ValueError, match=r"^base_url='\*\*\*@h': expected") as caught:
        check_base("http://ada:secret@h/api")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        pytest.param("/users", "http://h/api/users", id="path"),
        pytest.param("users", "http://h/api/users", id="no slash"),
        pytest.param("", "http://h/api/", id="empty"),
        pytest.param("users:1", "http://h/api/users:1", id="colon"),
        pytest.param("/a/../b", "http://h/api/a/../b", id="dots that stay inside"),
        pytest.param("/a?next=http://h/../..", "http://h/api/a?next=http://h/../..", id="query"),
        pytest.param("/a#../..", "http://h/api/a#../..", id="fragment"),
        pytest.param("/..a", "http://h/api/..a", id="name with dots"),
        pytest.param("/%252e%252e/a", "http://h/api/%252e%252e/a", id="encoded twice"),
        pytest.param("/é b", "http://h/api/é b", id="not ASCII"),
    ],
)
def test_join(path: str, url: str) -> None:
    assert join("http://h/api", path) == url


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        pytest.param("http://evil.example/", "is a URL", id="URL"),
        pytest.param(" HTTP://evil.example/", "is a URL", id="space first"),
        pytest.param("//evil.example/", "is a URL", id="no scheme"),
        pytest.param("/../healthz", "leads out of the API", id="dots"),
        pytest.param("a/../../healthz", "leads out of the API", id="more dots"),
        pytest.param("..?a", "leads out of the API", id="dots before a query"),
        pytest.param("/%2e%2E/healthz", "leads out of the API", id="encoded dots"),
        pytest.param("/..%2Fhealthz", "leads out of the API", id="encoded slash"),
        pytest.param("/..\\healthz", "leads out of the API", id="backslash"),
        pytest.param("/..%5chealthz", "leads out of the API", id="encoded backslash"),
        pytest.param("/../apis", "leads out of the API", id="shared prefix"),
        pytest.param("/a\r\nX: y", "control characters", id="line break"),
        pytest.param("/.\t./a", "control characters", id="tab, which some remove"),
    ],
)
def test_join_refuses(path: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        join("http://h/api", path)


@given(st.lists(st.sampled_from(["/", "..", ".", "%2e", "%2F", "\\", "a", "?", "#"])).map("".join))
def test_requests_never_leave_the_api(path: str) -> None:
    """Also after requests has tidied up the URL."""
    try:
        url = join("http://h/api", path)
    except ValueError:
        return
    sent = requests.Request("GET", url).prepare().url
    assert sent is not None
    assert (sent + "/").startswith(("http://h/api/", "http://h/api?", "http://h/api#"))
    assert is_inside("http://h/api", sent) or urlsplit(sent).path == "/api"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/api/a", True),
        ("http://h:80/api/a?b", True),
        ("http://H/api/a", True),
        ("https://h/api/a", False),
        ("http://h:81/api/a", False),
        ("http://h.evil/api/a", False),
        ("http://h/apis/a", False),
        ("http://h/api/../a", False),
        ("http://h/api/%2e%2e/a", False),
        ("http://h:x/api/a", False),
        ("http://ada:secret@h/api/a", False),
    ],
)
def test_is_inside(url: str, *, expected: bool) -> None:
    assert is_inside("http://h/api", url) is expected
