from __future__ import annotations

import dataclasses

import pytest

from fluxsync.diagnostics import arrivals
from fluxsync.diagnostics.address import parse
from fluxsync.diagnostics.findings import Hop, Level
from fluxsync.diagnostics.observations import Answer, Arrival, Trouble

HERE = parse("https://host/tools/")
HTML = ("Content-Type", "text/html")
OURS = ("X-Request-Id", "a")
LOADS = b'<script src="./static/js/index.a.js"></script>'
PAGE = Answer(HERE, 200, [HTML, OURS], b'<script data-path="/tools/">x</script>' + LOADS)
MISPLACED = b'{"detail": "There is no page at /a/b/. ... or set FLUXSYNC_ROOT_PATH=/a/b."}'


def page(seen: str, root: str = "") -> Answer:
    more = f' data-root="{root}"' if root else ""
    body = f'<script data-path="{seen}"{more}>x</script>'.encode() + LOADS
    return dataclasses.replace(PAGE, body=body)


@pytest.mark.parametrize(
    ("answer", "hop", "words", "goes_on"),
    [
        pytest.param(Answer(HERE, 401), Hop.PROXY, "who is there", False, id="401"),
        pytest.param(Answer(HERE, 403), Hop.PROXY, "answers 403", False, id="403"),
        pytest.param(
            Answer(HERE, 200, [HTML], b"<input type=password>"),
            Hop.PROXY,
            "shows a login page",
            False,
            id="login page",
        ),
        pytest.param(
            Answer(HERE, 403, [OURS], b"no\n"), Hop.GATEWAY, "403: no", True, id="our 403"
        ),
        pytest.param(
            Answer(HERE, 503, [OURS, HTML], b"<p>Streamlit is starting</p>"),
            Hop.STREAMLIT,
            "answers 503: Streamlit is starting",
            True,
            id="starting",
        ),
        pytest.param(
            Answer(HERE, 502, [("Server", "nginx")]),
            Hop.PROXY,
            "doesn't reach fluxsync",
            True,
            id="proxy without fluxsync",
        ),
        pytest.param(
            Answer(HERE, 404, [OURS], MISPLACED),
            Hop.GATEWAY,
            "sees the prefix /a/b ",
            True,
            id="misplaced",
        ),
        pytest.param(
            Answer(HERE, 200, [HTML], b"<h1>Welcome</h1>"),
            Hop.PROXY,
            "isn't Streamlit's",
            True,
            id="another page",
        ),
        pytest.param(Answer(HERE, 404), Hop.PROXY, "answers 404", True, id="nothing"),
        pytest.param(
            Answer(HERE, trouble=Trouble.NAME, detail="unknown"),
            Hop.NETWORK,
            "no host host: unknown",
            False,
            id="name",
        ),
        pytest.param(
            Answer(HERE, trouble=Trouble.REFUSED), Hop.NETWORK, "host:443", False, id="refused"
        ),
        pytest.param(
            Answer(HERE, trouble=Trouble.CERTIFICATE, detail="expired"),
            Hop.PROXY,
            "isn't valid: expired",
            False,
            id="certificate",
        ),
        pytest.param(
            Answer(HERE, trouble=Trouble.TIMEOUT, seconds=10),
            Hop.NETWORK,
            "doesn't answer within 10 s",
            False,
            id="silent",
        ),
        pytest.param(
            Answer(HERE, 200, trouble=Trouble.TIMEOUT, seconds=10),
            Hop.PROXY,
            "isn't complete within 10 s",
            False,
            id="slow",
        ),
        pytest.param(
            Answer(HERE, trouble=Trouble.TLS, detail="WRONG_VERSION"), Hop.NETWORK, "TLS", False
        ),
        pytest.param(Answer(HERE, trouble=Trouble.NOT_HTTP), Hop.NETWORK, "HTTP", False, id="ssh"),
        pytest.param(
            Answer(HERE, 200, trouble=Trouble.BROKEN, detail="reset"),
            Hop.PROXY,
            "breaks off: reset",
            False,
            id="broken",
        ),
    ],
)
def test_no_page(answer: Answer, hop: Hop, words: str, goes_on: bool) -> None:
    finding, sense = arrivals.judge(Arrival((answer,)))

    assert (finding.level, finding.hop, sense) == (Level.PROBLEM, hop, goes_on)
    assert words in finding.text


def test_page() -> None:
    finding, goes_on = arrivals.judge(Arrival((PAGE,)))

    assert finding.level is Level.OK
    assert goes_on
    assert "after a redirect" in arrivals.judge(Arrival((Answer(HERE, 301), PAGE)))[0].text


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ("https://login.example/?x=secret", "leads to a login: https://login.example/."),
        ("https://host:8443/oauth2/start", "leads to a login"),
        ("https://www.example/tools/", "leads to another site"),
        ("http://host/tools/", "leads back to http"),
    ],
)
def test_elsewhere(there: str, words: str) -> None:
    arrival = Arrival((Answer(HERE, 302),), elsewhere=parse(there))

    finding, goes_on = arrivals.judge(arrival)

    assert words in finding.text
    assert "secret" not in finding.text
    assert not goes_on


def test_round_in_circles() -> None:
    bare = HERE._replace(target="/tools")
    ours, theirs = Answer(HERE, 307, [OURS]), Answer(bare, 301)

    prefix, _ = arrivals.judge(Arrival((ours, theirs), goes_round=True))
    other, _ = arrivals.judge(Arrival((Answer(HERE, 302), theirs), goes_round=True))

    assert prefix.check == "path"
    assert "FLUXSYNC_ROOT_PATH=/tools" in prefix.remedy
    assert "go round: https://host/tools and https://host/tools/" in other.text


def test_redirect_to_itself() -> None:
    """Where TLS ends in a proxy that doesn't say so, for example."""
    itself = Answer(HERE, 301, [OURS, ("Location", str(HERE))])

    finding, _ = arrivals.judge(Arrival((itself,), goes_round=True))

    assert finding.text == "Redirects go round: https://host/tools/."


@pytest.mark.parametrize(
    ("answer", "mount", "is_ours", "level", "words"),
    [
        (page("/"), "/tools/", True, Level.OK, "under /tools; the gateway sees /"),
        (page("/tools/"), "/", True, Level.OK, "at the root"),
        (page("/", "/tools"), "/tools/", True, Level.OK, "under /tools"),
        (page("/", "/other"), "/tools/", True, Level.PROBLEM, "its root path is /other"),
        (page("/tools/"), "/", False, Level.PROBLEM, "sees the prefix /tools "),
        (page("/elsewhere"), None, False, Level.PROBLEM, "saw /elsewhere when /tools/"),
    ],
)
def test_mount(answer: Answer, mount: str | None, is_ours: bool, level: Level, words: str) -> None:
    there = HERE._replace(target=mount) if mount else None

    finding = arrivals.judge_mount(answer, there, is_ours=is_ours)

    assert finding is not None
    assert finding.level is level
    assert words in finding.text


def test_page_that_says_nothing() -> None:
    assert arrivals.judge_mount(Answer(HERE, 200, [HTML], LOADS), None, is_ours=True) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(HERE, 301, [("Location", "/tools/")]), None),
        (Answer(HERE, 307, [("Location", "tools/?a=b")]), "leads to https://host/tools/tools/"),
        (Answer(HERE, 302, [("Location", "https://other/")]), "leads to https://other/"),
        (PAGE, "loads its files from the wrong path"),
        (Answer(HERE, 404), "answers 404"),
    ],
)
def test_bare_mount(answer: Answer, words: str | None) -> None:
    finding = arrivals.judge_bare_mount(HERE, answer)

    assert (finding is None) == (words is None)
    if finding is not None and words is not None:
        assert words in finding.text
        assert finding.level is Level.WARNING
