"""Tunnels in a relay, with each of its pollers and a clock that can be put forward."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.bridges import loop as _loop
from fluxsync.bridges.loop import Loop
from fluxsync.bridges.polling import EpollPoller, SelectorPoller
from fluxsync.bridges.relay import Relay
from fluxsync.tunnel.registry import Tunnels
from tests.support.callers import Call, Clock, Pages
from tests.support.relays import Rounds

if t.TYPE_CHECKING:
    from collections.abc import Iterator

MakeCall = t.Callable[..., Call]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the test's loop."""
    clock = Clock()
    monkeypatch.setattr(_loop, "time", clock)
    return clock


@pytest.fixture(params=[EpollPoller, SelectorPoller])
def rounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """The rounds of the test's loop."""
    rounds = Rounds(request.param)
    monkeypatch.setattr(_loop, "make_poller", rounds.make)
    return rounds


@pytest.fixture
def loop(rounds: Rounds, clock: Clock) -> Iterator[Loop]:
    loop = Loop("test")
    yield loop
    loop.stop()


@pytest.fixture
def relay(rounds: Rounds, clock: Clock) -> Iterator[Relay]:
    relay = Relay()
    yield relay
    relay.stop()


@pytest.fixture
def tunnels(relay: Relay) -> Tunnels:
    return Tunnels(relay)


@pytest.fixture
def pages(relay: Relay, tunnels: Tunnels) -> Iterator[Pages]:
    """Pages whose requests the relay gets."""
    pages = Pages(relay, tunnels)
    yield pages
    pages.close()


@pytest.fixture
def make_call() -> Iterator[MakeCall]:
    """Make requests that nothing has been done with yet."""
    calls: list[Call] = []

    def make(**how: bool) -> Call:
        calls.append(Call(**how))
        return calls[-1]

    yield make
    for call in calls:
        call.close()
