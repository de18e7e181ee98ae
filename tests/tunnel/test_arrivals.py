"""Requests whose bodies take their time to arrive."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.bridges.loop import Loop
from fluxsync.tunnel.arrivals import Arrival
from tests.support.callers import Call, Clock
from tests.support.relays import catch_up

if t.TYPE_CHECKING:
    from tests.tunnel.conftest import MakeCall

#: Seconds of silence that are allowed.
TIMEOUT = 60.0


class Arriving:
    """A request of which ``some`` has come, and eight bytes haven't."""

    def __init__(self, loop: Loop, call: Call, timeout: float = TIMEOUT) -> None:
        self.call = call
        self.bodies: list[bytes] = []
        arrive = (loop, call.caller, b"some", 8, timeout, self._take)
        loop.call(lambda: Arrival(*arrive).start())
        catch_up(loop)

    def _take(self, body: bytes) -> None:
        self.bodies.append(body)
        self.call.caller.sock.close()


@pytest.fixture
def arriving(loop: Loop, make_call: MakeCall) -> Arriving:
    return Arriving(loop, make_call())


def test_in_pieces(loop: Loop, arriving: Arriving) -> None:
    """What comes behind it is none of it."""
    for piece in (b"thing", b" m", b"ost, and else"):
        arriving.call.send(piece)
        catch_up(loop)

    assert arriving.bodies == [b"something mo"]
    assert not loop.tasks


def test_end_before_its_end(loop: Loop, arriving: Arriving) -> None:
    arriving.call.send(b"thing")
    arriving.call.close()
    catch_up(loop)

    assert not arriving.bodies
    assert arriving.call.outcomes == [(400, 0, "client: 3 bytes are missing")]
    assert not loop.tasks


def test_silence(loop: Loop, arriving: Arriving, clock: Clock) -> None:
    """Each piece gives it more time."""
    clock.advance(TIMEOUT - 1, loop)
    arriving.call.send(b"thing")
    catch_up(loop)
    clock.advance(TIMEOUT - 1, loop)
    assert not arriving.call.outcomes
    clock.advance(2, loop)

    response = arriving.call.read_response()
    assert (response.status, response.json()["status"]) == (408, 408)
    assert not arriving.bodies


def test_no_limit(loop: Loop, make_call: MakeCall, clock: Clock) -> None:
    arriving = Arriving(loop, make_call(), timeout=0)
    clock.advance(24 * 3600, loop)
    arriving.call.send(b"thing mo")
    catch_up(loop)

    assert arriving.bodies == [b"something mo"]


def test_end_of_the_relay(loop: Loop, arriving: Arriving) -> None:
    loop.stop()

    assert arriving.call.is_closed()
    assert arriving.call.outcomes == [(400, 0, "stopped")]
