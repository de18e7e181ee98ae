from __future__ import annotations

import pytest

from fluxsync.diagnostics import hops
from fluxsync.diagnostics.address import parse
from fluxsync.diagnostics.findings import Level
from fluxsync.diagnostics.observations import Answer
from fluxsync.sansio.balancing import COOKIE

MOUNT = parse("https://host/tools/")


def answer(*fields: tuple[str, str], status: int = 200, path: str = "/tools/x/") -> Answer:
    return Answer(MOUNT._replace(target=path), status, list(fields), request_id="a")


@pytest.mark.parametrize(
    ("fields", "level", "words"),
    [
        ([("X-Request-Id", "a")], Level.OK, "request ids pass"),
        ([("X-Request-Id", "b")], Level.OK, "ids of its own"),
        ([], Level.WARNING, "X-Request-Id is missing"),
        (
            [("X-Request-Id", "a"), ("Vary", "a"), ("vary", "b"), ("DATE", "a"), ("Date", "b")],
            Level.WARNING,
            "twice: date.",
        ),
    ],
)
def test_headers(fields: list[tuple[str, str]], level: Level, words: str) -> None:
    finding = hops.judge_headers([answer(*fields)])

    assert finding.level is level
    assert words in finding.text


@pytest.mark.parametrize(
    ("cookie", "scheme", "level", "words"),
    [
        (f"{COOKIE}=r; Path=/tools; Secure", "https", Level.OK, COOKIE),
        (f"{COOKIE}=r; Path=/tools/", "https", Level.OK, COOKIE),
        ("_streamlit_xsrf=t", "https", Level.OK, "_streamlit_xsrf"),
        (f"{COOKIE}=r; Path=/", "https", Level.WARNING, "isn't sure"),
        (f"{COOKIE}=r; Path=/tool", "https", Level.PROBLEM, "has the path /tool,"),
        ("_streamlit_xsrf=t; path=/tools/x", "https", Level.PROBLEM, "has the path /tools/x,"),
        ("lb=1; Path=/elsewhere", "https", Level.OK, "lb"),
        (f"{COOKIE}=r; Path=/tools; Secure", "http", Level.PROBLEM, "don't keep them"),
    ],
)
def test_cookies(cookie: str, scheme: str, level: Level, words: str) -> None:
    mount = MOUNT._replace(scheme=scheme)

    finding = hops.judge_cookies(mount, [answer(("Set-Cookie", cookie))])

    assert finding.level is level
    assert words in finding.text


def test_no_cookies() -> None:
    assert hops.judge_cookies(MOUNT, [answer()]).text == "none are set"


@pytest.mark.parametrize(
    ("cookie", "scheme", "level"),
    [
        (f"{COOKIE}=r; Path=/; SameSite=Lax; Secure", "https", Level.OK),
        (f"{COOKIE}=r; Path=/", "https", Level.WARNING),
        (f"{COOKIE}=r; Path=/", "http", None),
        ("other=r", "https", None),
    ],
)
def test_scheme(cookie: str, scheme: str, level: Level | None) -> None:
    finding = hops.judge_scheme(MOUNT._replace(scheme=scheme), answer(("Set-Cookie", cookie)))

    assert (finding and finding.level) is level


@pytest.mark.parametrize(
    ("location", "level", "words"),
    [
        ("../x", Level.OK, ""),
        ("/tools/x", Level.OK, ""),
        ("https://host/tools/x", Level.OK, ""),
        ("/x", Level.PROBLEM, "leads out of /tools/, to /x"),
        ("/tools/tools/x", Level.PROBLEM, "has the prefix twice"),
        ("http://host/tools/x", Level.PROBLEM, "leads to http://host/tools/x"),
        ("http://127.0.0.1:8501/x", Level.PROBLEM, "leads to http://127.0.0.1:8501/x"),
        ("http://[", Level.PROBLEM, "leads to nowhere"),
    ],
)
def test_redirect(location: str, level: Level, words: str) -> None:
    finding = hops.judge_redirect(MOUNT, answer(("Location", location), status=307))

    assert finding is not None
    assert finding.level is level
    assert words in finding.text


def test_no_redirect() -> None:
    assert hops.judge_redirect(MOUNT, answer()) is None
