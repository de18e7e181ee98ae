from __future__ import annotations

import select
import socket
import subprocess
import sys
import typing as t

import pytest

from fluxsync.bridges.polling import READ, WRITE, EpollPoller, Poller, SelectorPoller, make_poller
from tests.support.relays import Pair, send_until_it_blocks, tcp_pair, unix_pair
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = READ | WRITE


class Handler:
    """Never called here: it's what the poller was given."""

    def on_events(self, events: int) -> None:
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        raise NotImplementedError


@pytest.fixture(params=[EpollPoller, SelectorPoller])
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    poller: Poller = request.param()
    yield poller
    poller.close()


@pytest.fixture(params=[unix_pair, tcp_pair])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    near, far = request.param()
    with near, far:
        yield near, far


def happened(poller: Poller) -> dict[int, int]:
    """Return what has happened by now, as bits of READ and WRITE."""
    return {number: bits & BOTH for number, bits in poller.poll(0)}


def test_what_is_asked_for_is_what_comes(poller: Poller, pair: Pair) -> None:
    near, far = pair
    number, before = near.fileno(), 0
    poller.watch(near, before, READ, Handler())
    assert happened(poller) == {}

    far.send(b"x")
    assert poller.poll(10) == [(number, READ)]
    assert poller.poll(10) == [(number, READ)], "it's still there"

    for events in (BOTH, WRITE, READ):
        poller.watch(near, before or READ, events, Handler())
        before = events
        assert happened(poller) == {number: events}


def test_no_room_to_write(poller: Poller, pair: Pair) -> None:
    near, far = pair
    sent = 0
    poller.watch(near, 0, WRITE, Handler())

    def is_full() -> bool:
        # The kernel may make room once more, by what is on its way still.
        nonlocal sent
        sent += send_until_it_blocks(near)
        return happened(poller) == {}

    eventually(is_full)
    while sent:
        sent -= len(far.recv(1 << 20))
    assert poller.poll(10) == [(near.fileno(), WRITE)]


def test_who_is_called(poller: Poller, pair: Pair) -> None:
    """Whoever was there first stays, whatever else is waited for."""
    near, _ = pair
    handler = Handler()
    poller.watch(near, 0, READ, handler)
    poller.watch(near, READ, WRITE, handler)
    assert poller.watched == {near.fileno(): handler}

    poller.watch(near, WRITE, 0, handler)
    assert poller.watched == {}
    assert happened(poller) == {}


def test_number_that_is_used_again(poller: Poller) -> None:
    handlers = Handler(), Handler()
    for handler in handlers:
        near, far = unix_pair()
        with near, far:
            poller.watch(near, 0, READ, handler)
            far.send(b"x")
            number = near.fileno()
            assert poller.poll(10) == [(number, READ)]
            assert poller.watched[number] is handler
            poller.watch(near, READ, 0, handler)


@pytest.mark.parametrize("events", [READ, WRITE])
def test_broken_connection(poller: Poller, events: int) -> None:
    """It's announced whatever is waited for."""
    near, far = tcp_pair()
    with near:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        poller.watch(near, 0, events, Handler())
        ((number, bits),) = poller.poll(10)
        assert number == near.fileno()
        assert bits & events


def test_end_of_the_stream(poller: Poller, pair: Pair) -> None:
    near, far = pair
    poller.watch(near, 0, READ, Handler())
    far.shutdown(socket.SHUT_WR)

    ((_, bits),) = poller.poll(10)
    assert bits & READ


def test_close_forgets_everything(poller: Poller, pair: Pair) -> None:
    poller.watch(pair[0], 0, READ, Handler())
    poller.close()

    assert poller.watched == {}


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")
def test_epoll_where_there_is_one() -> None:
    poller = make_poller()
    poller.close()

    assert isinstance(poller, EpollPoller)


def test_without_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll", raising=False)
    poller = make_poller()
    poller.close()

    assert isinstance(poller, SelectorPoller)


def test_gevent_gets_its_own() -> None:
    """Its greenlets run while the poller waits."""
    program = """
from gevent import monkey
monkey.patch_all()
import gevent, socket
from fluxsync.bridges.polling import READ, SelectorPoller, make_poller
poller = make_poller()
assert isinstance(poller, SelectorPoller)
near, far = socket.socketpair()
poller.watch(near, 0, READ, None)
assert poller.poll(0) == []
gevent.spawn(far.send, b"x")
assert poller.poll(None) == [(near.fileno(), READ)]
poller.watch(near, READ, 0, None)
poller.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
