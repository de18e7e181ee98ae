from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import headers
from fluxsync.sansio.paths import normalize_mount
from fluxsync.sansio.rootpath import NONE, Guess, RootPath, Rules, hides

SETTING = RootPath("/app", "root_path")
GUESSES = (
    Guess("/absproxy/8000", "VSCODE_PROXY_URI", is_stripped=False),
    Guess("/proxy/8000", "VSCODE_PROXY_URI"),
)
BASE = ("RStudio-Connect-App-Base-URL", "https://connect.example/content/1234/")
REQUEST = ("X-RSC-Request", "https://connect.example/vanity/reports?a=b")


def find(
    rules: Rules,
    *fields: tuple[str, str],
    path: str = "/reports",
    script_name: str = "",
    proxies: int = 0,
) -> RootPath:
    return rules.find(path, script_name, functools.partial(headers.get, fields), proxies)


def test_order() -> None:
    """Each rule wins over all behind it."""
    fields = [BASE, REQUEST, ("X-Forwarded-Prefix", "/forwarded")]
    everything = {"script_name": "/mount/", "proxies": 1}

    rules = Rules(SETTING, GUESSES, on_connect=True)
    assert find(rules, *fields, **everything) == SETTING  # type: ignore[arg-type]
    rules = Rules(NONE, GUESSES, on_connect=True)
    assert find(rules, *fields, **everything) == ("/mount", "SCRIPT_NAME", True)  # type: ignore[arg-type]
    assert find(rules, *fields, proxies=1) == (
        "/content/1234",
        "RStudio-Connect-App-Base-URL",
        True,
    )
    assert find(rules, *fields[1:], proxies=1) == ("/vanity", "X-RSC-Request", True)
    assert find(rules, *fields[2:], proxies=1) == ("/forwarded", "X-Forwarded-Prefix", True)
    assert find(rules) == ("/proxy/8000", "VSCODE_PROXY_URI", False)
    assert find(Rules()) == NONE


def test_root_can_be_set() -> None:
    """Whoever says that it's the root gets no guess."""
    rules = Rules(RootPath("", "root_path"), GUESSES)

    assert find(rules, script_name="/mount").path == ""


def test_nobody_is_believed_who_is_not_known() -> None:
    fields = [
        BASE,
        REQUEST,
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Script-Name", "/evil"),
        ("X-Forwarded-Context", "/evil"),
    ]

    assert find(Rules(), *fields) == NONE


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param(BASE, "/content/1234", id="URL"),
        pytest.param((BASE[0], "/content/1234/"), "/content/1234", id="path"),
        pytest.param((BASE[0], "https://connect.example/"), "", id="root"),
        pytest.param((BASE[0], "https://[/x"), "", id="no URL"),
        pytest.param((BASE[0], "https://connect.example/a/../b"), "", id="dots"),
        pytest.param(REQUEST, "/vanity", id="request"),
        pytest.param((REQUEST[0], "https://connect.example/other"), "", id="another request"),
        pytest.param((REQUEST[0], "https://connect.example/reports"), "", id="request at the root"),
    ],
)
def test_posit_connect(field: tuple[str, str], expected: str) -> None:
    assert find(Rules(on_connect=True), field).path == expected


@pytest.mark.parametrize(
    ("fields", "proxies", "expected"),
    [
        pytest.param([("X-Forwarded-Prefix", "/a/")], 1, "/a", id="one"),
        pytest.param([("X-Script-Name", "/a")], 1, "/a", id="nginx habit"),
        pytest.param([("X-Forwarded-Context", "/a")], 1, "/a", id="Jupyter"),
        pytest.param([("X-Forwarded-Prefix", "/a, /b/")], 2, "/a/b", id="one in the other"),
        pytest.param([("X-Forwarded-Prefix", "/evil, /a")], 1, "/a", id="begun by the client"),
        pytest.param([("X-Forwarded-Prefix", "/"), ("X-Script-Name", "/b")], 1, "/b", id="root"),
        pytest.param([("X-Forwarded-Prefix", "//evil.example")], 1, "/evil.example", id="no host"),
        pytest.param([("X-Forwarded-Prefix", "https://evil.example/")], 1, "", id="URL"),
    ],
)
def test_proxy(fields: list[tuple[str, str]], proxies: int, expected: str) -> None:
    assert find(Rules(), *fields, proxies=proxies).path == expected


@pytest.mark.parametrize(
    ("path", "expected", "is_certain"),
    [
        pytest.param("/absproxy/8000/reports", "/absproxy/8000", True, id="not stripped"),
        pytest.param("/absproxy/8000", "/absproxy/8000", True, id="without slash"),
        pytest.param("/absproxy/80001", "/proxy/8000", False, id="another port"),
        pytest.param("/reports", "/proxy/8000", False, id="stripped, or nobody stripped it"),
        pytest.param("/proxy/8000/reports", "/proxy/8000", True, id="could be stripped, isn't"),
    ],
)
def test_guesses(path: str, expected: str, is_certain: bool) -> None:
    found = find(Rules(NONE, GUESSES), path=path)

    assert found == (expected, "VSCODE_PROXY_URI", is_certain)


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        pytest.param("", "", id="no root path"),
        pytest.param("/tools", "", id="usual"),
        pytest.param("/app", "", id="usual, though Streamlit has it too"),
        pytest.param("/apis", "", id="only begins like it"),
        pytest.param("/api", "/api", id="the API's"),
        pytest.param("/api/v2", "/api", id="below the API"),
        pytest.param("/static", "/static", id="Streamlit's"),
        pytest.param("/__fluxsync/x", "/__fluxsync", id="ours"),
    ],
)
def test_hides(root: str, expected: str) -> None:
    assert hides(root, "/api") == expected


def test_hides_an_api_below_it() -> None:
    assert hides("/tools", "/tools/api") == "/tools/api"


@given(st.text(), st.booleans())
def test_a_root_path_is_fit_for_links_and_fields(said: str, is_server: bool) -> None:
    name = said if is_server else ""
    found = find(Rules(), ("X-Forwarded-Prefix", said), script_name=name, proxies=1)

    assert found.path == normalize_mount(found.path)
    assert found.path.isprintable()
    assert not found.path.startswith("//")
