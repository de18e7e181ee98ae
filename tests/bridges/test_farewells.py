from __future__ import annotations

import socket
import typing as t

import pytest

from fluxsync.bridges import farewells
from fluxsync.bridges import loop as _loop
from fluxsync.bridges.farewells import Farewell, abort
from tests.support.callers import Clock
from tests.support.http import Stream
from tests.support.relays import (
    LONG,
    SOON,
    catch_up,
    is_readable,
    send_until_it_blocks,
    tcp_pair,
    unix_pair,
)
from tests.support.upstream import reset
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fluxsync.bridges.loop import Loop
    from tests.support.relays import Pair, Rounds

Leave = t.Callable[..., Stream]


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """All the time in the world."""
    monkeypatch.setattr(farewells, "LINGER", LONG)
    monkeypatch.setattr(farewells, "_STALL", LONG)


@pytest.fixture
def leave(loop: Loop, patience: None) -> Iterator[Leave]:
    """Have a client that has sent something get its last bytes."""
    opened: list[socket.socket] = []

    def leave(last: bytes, *, sent: bytes = b"", make: Callable[[], Pair] = tcp_pair) -> Stream:
        client, server = make()
        opened.append(client)
        client.sendall(sent)
        loop.call(lambda: Farewell(loop, server, last).start())
        return Stream(client)

    yield leave
    for sock in opened:
        sock.close()


def test_last_bytes_arrive(leave: Leave, loop: Loop) -> None:
    """Though something unread has come: closing at once would throw them away."""
    client = leave(b"last", sent=bytes(100_000))

    assert client.read(4) == b"last"
    assert not client.fill()
    assert not client.was_reset
    client.sock.close()
    eventually(lambda: not loop.tasks)


def test_nothing_but_the_end(leave: Leave, loop: Loop) -> None:
    client = leave(b"", sent=b"unread")

    assert not client.fill()
    assert not client.was_reset
    client.sock.close()
    eventually(lambda: not loop.tasks)


def test_client_that_takes_it_slowly(leave: Leave, loop: Loop, rounds: Rounds) -> None:
    last = bytes(1 << 22)
    client = leave(last)
    client.read(1000)
    rounds.check_idle(loop)

    assert client.read((1 << 22) - 1000) == bytes((1 << 22) - 1000)
    assert not client.fill()


@pytest.mark.parametrize("make", [tcp_pair, unix_pair])
def test_client_that_never_closes(
    leave: Leave, loop: Loop, rounds: Rounds, make: Callable[[], Pair]
) -> None:
    """It has its time, in which nothing happens."""
    client = leave(b"last", make=make)
    assert client.read(4) == b"last"
    assert not client.fill()
    rounds.check_idle(loop)

    assert len(loop.tasks) == 1


def test_time_to_close_has_an_end(
    leave: Leave, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farewells, "LINGER", SOON)
    client = leave(b"last")

    assert client.read(4) == b"last"
    eventually(lambda: not loop.tasks)


def test_client_that_takes_nothing(
    leave: Leave, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farewells, "_STALL", SOON)
    leave(bytes(1 << 22))

    eventually(lambda: not loop.tasks)


def test_flood(leave: Leave, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It's read and forgotten, for as long as the client may take to close."""
    clock = Clock()
    monkeypatch.setattr(_loop, "time", clock)
    monkeypatch.setattr(farewells, "LINGER", 10.0)
    monkeypatch.setattr(farewells, "MAX_LINGER", 30.0)
    client = leave(b"last")
    for _ in range(3):
        clock.advance(9, loop)
        assert loop.tasks
        # More than the network takes.
        client.sock.sendall(bytes(1 << 20))
        catch_up(loop)
    clock.advance(4, loop)

    assert not loop.tasks


def test_flood_does_not_take_the_last_bytes(leave: Leave, loop: Loop) -> None:
    """What the client sends is taken while it takes nothing."""
    client = leave(bytes(1 << 22))
    for _ in range(1 << 5):
        client.sock.sendall(bytes(1 << 16))

    assert len(client.read(1 << 22)) == 1 << 22
    assert not client.fill()


@pytest.mark.parametrize("last", [b"", bytes(1 << 22)])
def test_client_that_is_gone(leave: Leave, loop: Loop, last: bytes) -> None:
    client = leave(last)
    catch_up(loop)
    reset(client.sock)

    eventually(lambda: not loop.tasks)


def test_client_that_was_gone_before(loop: Loop, patience: None) -> None:
    client, server = tcp_pair()
    reset(client)
    loop.call(lambda: Farewell(loop, server, b"last").start())
    catch_up(loop)

    eventually(lambda: not loop.tasks)
    assert server.fileno() == -1


def test_end_of_the_loop(leave: Leave, loop: Loop) -> None:
    client = leave(bytes(1 << 22))
    catch_up(loop)
    loop.stop()

    while client.fill():
        pass
    assert not loop.tasks


def test_abort_is_seen() -> None:
    """The client can't take what it has for everything."""
    client, server = tcp_pair()
    with client:
        server.sendall(b"half")
        abort(server)
        eventually(lambda: is_readable(client))
        stream = Stream(client)
        while stream.fill():
            pass

    assert stream.was_reset


def test_abort_of_what_is_closed() -> None:
    client, server = unix_pair()
    client.close()
    abort(server)
    abort(server)

    assert server.fileno() == -1


def test_blocked_sender_is_not_waited_for(loop: Loop, patience: None) -> None:
    """A client whose buffer is full already."""
    client, server = tcp_pair()
    with client:
        sent = send_until_it_blocks(server, 1 << 22)
        loop.call(lambda: Farewell(loop, server, b"last").start())
        catch_up(loop)
        assert Stream(client).read(sent + 4) == bytes(sent) + b"last"
