from __future__ import annotations

import typing as t

import pytest

from fluxsync.diagnostics import transports
from fluxsync.diagnostics.address import parse
from fluxsync.diagnostics.findings import Finding, Hop, Level
from fluxsync.diagnostics.observations import Answer, Socket, Trouble, Tunnelled

SITE = parse("https://host/tools/")
OURS = [("X-Request-Id", "a")]
FOREIGN = b'{"detail": "https://host may not use inner:8000: if it is your own page, ..."}'
OK = Answer(SITE, 200, OURS, seconds=5)
WORKS = Socket(Answer(SITE, 101), greeted=True, ponged=True, held=5)
TUNNEL = Tunnelled(OK, wait=5, streams=True, other=OK, poll=OK)
NO_TUNNEL = Tunnelled(Answer(SITE, 404))


def judge(socket: Socket = WORKS, tunnel: Tunnelled = TUNNEL) -> dict[str, Finding]:
    return {finding.check: finding for finding in transports.judge(socket, tunnel, SITE)}


def refused(status: int, body: bytes = b"", *, ours: bool = True, **seen: t.Any) -> Socket:
    return Socket(Answer(SITE, status, OURS if ours else [], body, **seen))


def test_all_well() -> None:
    found = judge()

    assert list(found) == ["host", "websocket", "silence", "streaming", "long poll"]
    assert {finding.level for finding in found.values()} == {Level.OK}


@pytest.mark.parametrize(
    ("socket", "tunnel"),
    [(refused(403, FOREIGN), TUNNEL), (WORKS, Tunnelled(Answer(SITE, 403, OURS, FOREIGN)))],
)
def test_host(socket: Socket, tunnel: Tunnelled) -> None:
    """It's the one thing to say: all the rest follows."""
    found = judge(socket, tunnel)

    assert list(found) == ["host"]
    assert found["host"].level is Level.PROBLEM
    assert "sees the Host inner:8000 instead of host" in found["host"].text
    assert "or, in fluxsync: FLUXSYNC_PUBLIC_BASE_URL=https://host" in found["host"].remedy


@pytest.mark.parametrize(
    ("socket", "hop", "words"),
    [
        (refused(200, b"<html>"), Hop.PROXY, "doesn't pass WebSocket upgrades on"),
        (refused(400, ours=False), Hop.PROXY, "doesn't pass WebSocket upgrades on"),
        (refused(400, b"a WebSocket needs HTTP/1.1\n"), Hop.PROXY, "half of the upgrade on: a Web"),
        (refused(501, b"no WebSockets here: x\n"), Hop.GATEWAY, "WSGI server has none: no Web"),
        (refused(503, b"too many\n"), Hop.GATEWAY, "It answers 503: too many"),
        (refused(504, b"no answer\n"), Hop.STREAMLIT, "It answers 504: no answer"),
        (refused(403, ours=False), Hop.PROXY, "The handshake answers 403"),
        (
            refused(0, ours=False, trouble=Trouble.TIMEOUT, seconds=10.0),
            Hop.PROXY,
            "doesn't answer within 10 s",
        ),
        (Socket(Answer(SITE, 101), "odd"), Hop.PROXY, "opens, and odd"),
        (Socket(Answer(SITE, 101)), Hop.PROXY, "what the gateway sends doesn't come"),
        (Socket(Answer(SITE, 101), greeted=True), Hop.PROXY, "the browser sends isn't answered"),
    ],
)
def test_no_websocket(socket: Socket, hop: Hop, words: str) -> None:
    with_tunnel, without = judge(socket)["websocket"], judge(socket, NO_TUNNEL)["websocket"]

    assert (with_tunnel.level, with_tunnel.hop) == (Level.WARNING, hop)
    assert words in with_tunnel.text
    assert with_tunnel.text.endswith("Pages work over stream meanwhile.")
    assert without.level is Level.PROBLEM
    assert "meanwhile" not in without.text


def test_silence() -> None:
    cut = Socket(WORKS.answer, greeted=True, ponged=True, held=2.04, cut=True)
    long = Socket(WORKS.answer, greeted=True, ponged=True, held=25)

    assert judge(cut)["silence"].level is Level.PROBLEM
    assert "cut after 2.0 s" in judge(cut)["silence"].text
    assert "--patience" in judge()["silence"].text
    assert "--patience" not in judge(long)["silence"].text


@pytest.mark.parametrize(
    ("tunnel", "check", "level", "words"),
    [
        (NO_TUNNEL, "tunnel", Level.WARNING, "the opening answers 404"),
        (TUNNEL.having(hold=False), "tunnel", Level.OK, "short polls"),
        (
            TUNNEL.having(other=Answer(SITE, trouble=Trouble.TIMEOUT, seconds=10)),
            "tunnel",
            Level.WARNING,
            "another doesn't answer within 10 s",
        ),
        (TUNNEL.having(streams=False), "streaming", Level.WARNING, "collects them"),
        (
            TUNNEL.having(poll=Answer(SITE, 504, seconds=3.2)),
            "long poll",
            Level.WARNING,
            "answers 504 after 3.2 s; the gateway lets some wait for 20 s",
        ),
        (
            TUNNEL.having(poll=Answer(SITE, trouble=Trouble.BROKEN, detail="reset", seconds=3)),
            "long poll",
            Level.WARNING,
            "fails: reset after 3.0 s",
        ),
    ],
)
def test_tunnel(tunnel: Tunnelled, check: str, level: Level, words: str) -> None:
    finding = judge(tunnel=tunnel)[check]

    assert finding.level is level
    assert words in finding.text


def test_needed_tunnel() -> None:
    """Without WebSockets, what is wrong with the tunnel is worse."""
    none = refused(200)

    assert judge(none, NO_TUNNEL)["tunnel"].level is Level.PROBLEM
    poll = judge(none, TUNNEL.having(poll=Answer(SITE, 504, seconds=9.5)))["long poll"]
    assert poll.level is Level.PROBLEM
    assert "or, in fluxsync: FLUXSYNC_GATEWAY_TUNNEL_WAIT_S=8" in poll.remedy
    assert "long poll" not in judge(none, TUNNEL.having(poll=None))
