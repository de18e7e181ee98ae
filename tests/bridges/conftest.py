"""The relay with each of its pollers, and WebSockets in it."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.bridges import loop as _loop
from fluxsync.bridges.loop import Loop
from fluxsync.bridges.polling import EpollPoller, SelectorPoller
from fluxsync.bridges.relay import Relay, Session
from tests.support.http import Stream
from tests.support.relays import HEAD, Connect, Ends, Rounds, tcp_pair, unix_pair

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[EpollPoller, SelectorPoller])
def rounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """The rounds of the test's loop."""
    rounds = Rounds(request.param)
    monkeypatch.setattr(_loop, "make_poller", rounds.make)
    return rounds


@pytest.fixture
def loop(rounds: Rounds) -> Iterator[Loop]:
    loop = Loop("test")
    yield loop
    loop.stop()


@pytest.fixture
def relay(rounds: Rounds) -> Iterator[Relay]:
    relay = Relay()
    yield relay
    relay.stop()


@pytest.fixture
def connect(relay: Relay) -> Iterator[Connect]:
    """Give the relay a WebSocket and return its peers."""
    opened: list[Ends] = []

    def connect(
        to_client: bytes = HEAD,
        to_upstream: bytes = b"",
        *,
        replica: str = "r1",
        address: str = "192.0.2.1",
        extensions: str = "",
        tcp: bool = False,
        wait: bool = True,
    ) -> Ends:
        make = tcp_pair if tcp else unix_pair
        (browser, client), (upstream, streamlit) = make(), make()
        session = Session("id", replica, client=address, extensions=extensions)
        relay.add(session, client, upstream, to_client, to_upstream)
        ends = Ends(Stream(browser), Stream(streamlit))
        opened.append(ends)
        if wait and to_client == HEAD:
            assert ends.browser.read(len(HEAD)) == HEAD
        return ends

    yield connect
    for ends in opened:
        ends.close()
