from __future__ import annotations

import pytest

from fluxsync.diagnostics import services
from fluxsync.diagnostics.address import parse
from fluxsync.diagnostics.findings import Hop, Level
from fluxsync.diagnostics.observations import Answer

HERE = parse("https://host/x")
HTML = ("Content-Type", "text/html")
OURS = ("X-Request-Id", "a")
JSON = ("Content-Type", "application/json")
LOADS = b'<script src="./static/js/index.a.js"></script>'
ALIVE = Answer(HERE, 200, [JSON], b'{"status": "ok"}')
READY = Answer(HERE, 200, [JSON], b'{"status": "ready"}')
UNREADY = Answer(HERE, 503, [JSON], b'{"status": "not_ready", "detail": "r1 is FATAL"}')
MISSING = Answer(HERE, 404, [("Server", "nginx")], b"<h1>no</h1>")


@pytest.mark.parametrize(
    ("healthz", "readyz", "level", "hop", "words"),
    [
        (ALIVE, READY, Level.OK, None, "ready"),
        (ALIVE, UNREADY, Level.PROBLEM, Hop.STREAMLIT, "isn't ready: r1 is FATAL."),
        (ALIVE, MISSING, Level.WARNING, Hop.PROXY, "/readyz answers 404 (from nginx)"),
        (MISSING, READY, Level.WARNING, Hop.PROXY, "isn't fluxsync's answer"),
    ],
)
def test_health(healthz: Answer, readyz: Answer, level: Level, hop: Hop, words: str) -> None:
    finding = services.judge_health(healthz, readyz)

    assert (finding.level, finding.hop) == (level, hop)
    assert words in finding.text


@pytest.mark.parametrize("body", [b"[]", b"{", b"[" * 100000, b"null", b'{"status": "up"}'])
def test_other_health_checks(body: bytes) -> None:
    assert not services.is_fluxsync(Answer(HERE, 200, [], body))


def test_foreign() -> None:
    streamlit = Answer(HERE, 200, [HTML], LOADS)

    assert "Streamlit itself" in services.judge_foreign(streamlit, MISSING).text
    assert "Streamlit itself" in services.judge_foreign(MISSING, Answer(HERE, 200, [], b"ok")).text
    assert "nor of Streamlit" in services.judge_foreign(MISSING, MISSING).text


INLINE = b"<script data-path='/'>".replace(b"'", b'"') + b"x</script>" + LOADS
FILE = b'<script src="__fluxsync/shim.js" data-path="/"></script>' + LOADS
NONCE = b'<script data-path="/" nonce="abc">x</script>' + LOADS


@pytest.mark.parametrize(
    ("page", "policy", "level"),
    [
        (INLINE, "", Level.OK),
        (INLINE, "img-src 'self'", Level.OK),
        (INLINE, "default-src 'self'; script-src 'self' 'unsafe-inline'", Level.OK),
        (INLINE, "default-src 'self'", Level.PROBLEM),
        (INLINE, "script-src", Level.PROBLEM),
        (FILE, "script-src 'self'", Level.OK),
        (FILE, "script-src 'none'", Level.PROBLEM),
        (NONCE, "script-src 'nonce-abc'", Level.OK),
        (LOADS, "", Level.WARNING),
    ],
)
def test_script(page: bytes, policy: str, level: Level) -> None:
    fields = [HTML, *([("Content-Security-Policy", policy)] if policy else [])]

    assert services.judge_script(Answer(HERE, 200, fields, page)).level is level


KIND = ("Content-Type", "text/javascript; charset=utf-8")
GZIP = ("Content-Encoding", "gzip")
FOR_EVER = ("Cache-Control", "public, immutable, max-age=31536000")


@pytest.mark.parametrize(
    ("asset", "level", "words"),
    [
        (Answer(HERE, 200, [KIND, GZIP, FOR_EVER]), Level.OK, "gzip"),
        (Answer(HERE, 200, [KIND, FOR_EVER]), Level.WARNING, "uncompressed"),
        (Answer(HERE, 200, [KIND, GZIP]), Level.WARNING, "Cache-Control ''"),
        (Answer(HERE, 200, [HTML, GZIP, FOR_EVER]), Level.PROBLEM, "is text/html instead"),
        (MISSING, Level.PROBLEM, "answers 404"),
    ],
)
def test_asset(asset: Answer, level: Level, words: str) -> None:
    finding = services.judge_asset(asset)

    assert finding.level is level
    assert words in finding.text


HEALTHY = Answer(HERE, 200, [], b"ok")
CONFIG = Answer(HERE, 200, [JSON], b'{"allowedOrigins": []}')


@pytest.mark.parametrize(
    ("health", "config", "level", "hop"),
    [
        (HEALTHY, CONFIG, Level.OK, None),
        (Answer(HERE, 502, [OURS]), CONFIG, Level.PROBLEM, Hop.STREAMLIT),
        (MISSING, CONFIG, Level.PROBLEM, Hop.PROXY),
        (HEALTHY, MISSING, Level.PROBLEM, Hop.PROXY),
        (HEALTHY, Answer(HERE, 200, [HTML, OURS], LOADS), Level.PROBLEM, Hop.STREAMLIT),
    ],
)
def test_streamlit(health: Answer, config: Answer, level: Level, hop: Hop | None) -> None:
    finding = services.judge_streamlit(health, config)

    assert (finding.level, finding.hop) == (level, hop)


COUNTED = Answer(HERE, 200, [OURS], b'fluxsync_build_info{version="1"} 1\n')


@pytest.mark.parametrize(
    ("answer", "is_near", "level"),
    [
        (COUNTED, False, Level.PROBLEM),
        # Maybe nothing is between, and it's for whoever is on this machine.
        (Answer(parse("http://127.0.0.1:1/"), 200, [OURS], COUNTED.body), False, Level.WARNING),
        (COUNTED, True, None),
        (Answer(HERE, 401, [OURS]), False, None),
        (Answer(HERE, 404, [OURS]), False, None),
        # Of somebody else who answers everything.
        (Answer(HERE, 200, [HTML], b"<h1>Welcome</h1>"), False, None),
    ],
)
def test_operations(answer: Answer, is_near: bool, level: Level | None) -> None:
    """What is for operators isn't for everybody."""
    finding = services.judge_operations("metrics", answer, is_near=is_near)

    assert (finding.level if finding else None) is level
    if finding:
        assert "/__fluxsync/metrics is shown to whoever asks" in finding.text
        assert "FLUXSYNC_OPERATIONS_TOKEN" in finding.remedy[0]
