from __future__ import annotations

import typing as t

import pytest

from fluxsync.tunnel import probes
from fluxsync.tunnel.messages import Probing
from tests.support.records import State
from tests.support.relays import catch_up, is_readable
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from fluxsync.bridges.relay import Relay
    from fluxsync.tunnel.registry import Tunnels
    from tests.support.callers import Clock, Pages
    from tests.support.relays import Rounds

KEY, OTHER = "0" * 16, "1" * 16


def test_probe(pages: Pages, relay: Relay, rounds: Rounds) -> None:
    """The first response begins at once, and ends when the second has been asked for."""
    first = pages.call(Probing(KEY, False))
    assert first.stream()
    assert first.records.states == [State(0, 0, 0)]
    rounds.check_idle(relay.loop)
    assert not is_readable(first.sock)
    second = pages.call(Probing(KEY, True)).answer()
    while first.stream():
        pass

    assert (second.status, second.records.states) == (200, [State(0, 0, 0)])
    assert first.records.states == [State(0, 0, 0)] * 2
    pages.close()
    eventually(lambda: not relay.loop.tasks)
    assert first.outcomes == [(200, 18, "")]


def test_probe_without_the_second_request(
    pages: Pages, tunnels: Tunnels, relay: Relay, clock: Clock
) -> None:
    first = pages.call(Probing(KEY, False))
    assert first.stream()
    clock.advance(0.5, relay.loop)
    assert not is_readable(first.sock)
    clock.advance(0.5, relay.loop)
    while first.stream():
        pass

    assert first.records.states == [State(0, 0, 0)]
    assert not tunnels.probes._waiting


def test_second_request_comes_first(pages: Pages, relay: Relay, clock: Clock) -> None:
    """Or it's of another page, or too late: it's answered all the same."""
    assert pages.call(Probing(KEY, True)).answer().records.states == [State(0, 0, 0)]
    first = pages.call(Probing(KEY, False))
    assert first.stream()
    assert pages.call(Probing(OTHER, True)).answer().status == 200
    catch_up(relay.loop)
    assert not is_readable(first.sock)


def test_page_goes_away(pages: Pages, tunnels: Tunnels, relay: Relay) -> None:
    first = pages.call(Probing(KEY, False))
    assert first.stream()
    first.close()
    eventually(lambda: not relay.loop.tasks)

    assert not tunnels.probes._waiting
    assert pages.call(Probing(KEY, True)).answer().status == 200


def test_repeated(pages: Pages, relay: Relay) -> None:
    """The newest one counts: browsers and proxies repeat what a lost connection has taken."""
    first = pages.call(Probing(KEY, False))
    assert first.stream()
    second = pages.call(Probing(KEY, False))
    assert second.stream()
    while first.stream():
        pass
    pages.call(Probing(KEY, True)).answer()
    while second.stream():
        pass

    assert len(first.records.states) == 1
    assert len(second.records.states) == 2


def test_too_many(pages: Pages, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_MOST", 1)
    first = pages.call(Probing(KEY, False))
    assert first.stream()
    other = pages.call(Probing(OTHER, False)).answer()
    assert other.records.states == [State(0, 0, 0, ("no-hold",))]
    assert pages.call(Probing(KEY, True)).answer().status == 200

    assert pages.call(Probing(OTHER, False)).stream()
