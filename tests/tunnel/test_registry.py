"""Who may have a tunnel, and whose it is."""

from __future__ import annotations

import os
import resource
import threading
import typing as t

import pytest

from fluxsync.bridges.limits import Limits
from fluxsync.sansio.admission import Full
from fluxsync.sansio.closecodes import Close
from fluxsync.sansio.exchanges import Ask
from fluxsync.tunnel.messages import Closing, Exchanging
from fluxsync.tunnel.registry import Claim
from tests.support import frames
from tests.support.callers import BROWSER
from tests.support.relays import wait_for
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.bridges.relay import Relay
    from fluxsync.tunnel.registry import Tunnels
    from tests.support.callers import Page, Pages
    from tests.support.http import Response

MB = 1024 * 1024
FULL = "too many tunnels are open (gateway_tunnel_max_tunnels)"
WEBSOCKETS = "too many WebSockets are open (gateway_ws_max_connections)"
CLIENT = "too many WebSockets of one client (gateway_ws_max_connections_per_client)"
BYTES = "tunnels keep too many bytes (gateway_tunnel_max_bytes)"
FOREIGN = "f" * 24


def refused(response: Response) -> str:
    """Return why a tunnel was refused."""
    assert response.status == 503, response.raw
    return str(response.json()["detail"])


def end(page: Page, relay: Relay) -> None:
    """End a tunnel, and wait until that's known."""
    before = sum(relay.counts().values())
    page.leave()
    page.streamlit.sock.close()
    eventually(lambda: sum(relay.counts().values()) < before and page.push(b"").status == 404)


# Caps


def test_too_many_tunnels(pages: Pages, relay: Relay) -> None:
    relay.configure(Limits(max_tunnels=2))
    first, second, third = pages.opened(), pages.opened(), pages.page()
    assert refused(third.open()) == FULL
    assert not third.streamlit.fill(), "the WebSocket that was opened for it is closed"
    end(first, relay)

    eventually(lambda: len(pages.tunnels.counts()) == 1)
    assert third.open().status == 200
    assert second.push(b"").status == 200


@pytest.mark.parametrize("limit", range(1, 6))
def test_tunnels_are_counted_right(pages: Pages, relay: Relay, limit: int) -> None:
    """Each has as many files as two WebSockets; when all are gone there's room as before."""
    relay.configure(Limits(max_connections=limit))
    for _ in range(3):
        opened = []
        while (page := pages.page()).open().status == 200:
            opened.append(page)
        assert len(opened) == (limit + 1) // 2
        assert relay.full == Full(total=True)
        for page in opened:
            end(page, relay)
        eventually(lambda: relay.full == Full())
        assert relay._admission._open == 0
    relay.configure(Limits(max_connections=1))
    pages.opened()

    assert refused(pages.page().open()) == WEBSOCKETS


def test_too_many_of_one_client(pages: Pages, relay: Relay) -> None:
    relay.configure(Limits(max_connections_per_client=1))
    pages.opened()

    assert refused(pages.page().open()) == CLIENT
    assert pages.page().open(address="192.0.2.2").status == 200


def test_too_many_bytes(pages: Pages, relay: Relay) -> None:
    """Those who have a tunnel can go on, and make room by that."""
    relay.configure(Limits(max_tunnel_bytes=100))
    data = frames.binary(bytes(98)).encode()
    page = pages.opened(early=data)
    eventually(lambda: page.ask().answer().state.total == 100)
    assert refused(pages.page().open()) == BYTES
    assert page.exchange().data == data
    assert refused(pages.page().open()) == BYTES
    page.push(b"")

    assert pages.page().open().status == 200


def test_far_too_many_bytes(pages: Pages, relay: Relay) -> None:
    """The tunnel that keeps most makes room for the others."""
    relay.configure(Limits(max_tunnel_bytes=100, tunnel_window=4 * MB))
    small, large = pages.opened(), pages.opened()
    data = frames.binary(bytes(3 * MB)).encode()
    sender = threading.Thread(target=large.streamlit.sock.sendall, args=(data,))
    sender.start()
    close = frames.read_frame(large.streamlit)

    assert close is not None
    assert close.close_code == 1013
    assert large.ask().answer().status == 404
    assert small.push(b"").status == 200
    sender.join()


@pytest.fixture
def few_files() -> Iterator[t.Callable[[], str]]:
    """Have the process open no more files, from when it's called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit() -> str:
        with open(os.devnull) as file:
            lowest = file.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        return ""

    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_files(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, few_files: t.Callable[[], str]
) -> None:
    """The limit of open files was lowered, or others have them."""
    page = pages.page()
    # Right before files are needed.
    monkeypatch.setattr(pages.tunnels, "_full", few_files)
    detail = refused(page.open())

    assert detail == "no tunnel can be made: Too many open files"
    assert not page.streamlit.fill()
    assert not pages.tunnels.counts()


# Whose it is


@pytest.mark.parametrize("browser", [FOREIGN, "", BROWSER[:-1]], ids=["other", "none", "part"])
@pytest.mark.parametrize("knows", [True, False], ids=["first", "later"])
def test_tunnel_of_another_browser(pages: Pages, relay: Relay, browser: str, knows: bool) -> None:
    """It doesn't even tell that it's there."""
    secret = frames.text("secret").encode()
    page = pages.opened(early=secret)
    if knows:
        page.ask(wait=20.0).answer()
    ask = Ask(0, 0, 20.0, 1, "long-poll")
    answers = []
    for name in (page.claim.id, "u" * len(page.claim.id)):
        claim = Claim(name, browser)
        verbs = (Exchanging(claim, ask), Exchanging(claim, ask._replace(sent=99)), Closing(claim))
        responses = [pages.call(verb, b"x").read_response() for verb in verbs]
        assert [response.status for response in responses] == [404] * 3
        answers.append([response.raw + response.body for response in responses])

    assert answers[0] == answers[1]
    # And nothing has happened to it.
    assert page.exchange(wait=20.0).data == secret
    assert page.push(b"").state.received == 0


@pytest.mark.parametrize(
    "kept", [BROWSER, "", FOREIGN], ids=["keeps it", "keeps none", "got another one meanwhile"]
)
def test_browser_that_gets_its_cookie(pages: Pages, relay: Relay, kept: str) -> None:
    """What it sends first counts from then on."""
    page = pages.opened(is_new=True)
    asks = {name: Claim(page.claim.id, name) for name in ("", BROWSER, FOREIGN)}
    assert page.ask(claim=asks[kept]).answer().status == 200

    for name, claim in asks.items():
        assert page.ask(claim=claim).answer().status == (200 if name == kept else 404)


def test_cookie_that_was_there_is_never_taken_for_another(pages: Pages) -> None:
    page = pages.opened(is_new=False)

    assert page.ask(claim=Claim(page.claim.id, FOREIGN)).answer().status == 404


# What is there


def test_counts(pages: Pages, relay: Relay, tunnels: Tunnels) -> None:
    first = pages.opened(transport="stream", reason="websocket-refused")
    second = pages.opened(transport="stream", reason="")
    third = pages.opened(transport="long-poll", reason="websocket-refused")
    assert tunnels.counts() == {"stream": 2, "long-poll": 1}
    assert tunnels.reasons() == {"websocket-refused": 2, "setting": 1}
    assert relay.counts() == {"r1": 3}
    second.exchange(mode="short-poll")
    assert tunnels.counts() == {"stream": 1, "long-poll": 1, "short-poll": 1}
    for page in (first, second, third):
        end(page, relay)

    eventually(lambda: not tunnels.counts())
    assert (tunnels.counts(), tunnels.reasons(), relay.counts()) == ({}, {}, {})


def test_relay_says_goodbye(pages: Pages, relay: Relay) -> None:
    """When Streamlit's replica is drained, for example."""
    page = pages.opened()
    call = page.hold()
    relay.close_all(Close(1012, "drained"), 5.0, "r1")
    wait_for(relay.loop)

    assert call.answer().data == frames.close(1012, "drained").encode()
