"""Streamlit's stream as one response, over real connections."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.sansio.records import State
from fluxsync.sansio.tunnel import Outgoing
from fluxsync.tunnel.streams import StreamedTunnel
from tests.support import records
from tests.support.relays import catch_up, wait_for
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from fluxsync.bridges.loop import Loop
    from tests.support.callers import Call, Clock
    from tests.support.relays import Rounds
    from tests.tunnel.conftest import MakeCall

WINDOW = 1 << 20
#: What the tunnel has of the page's stream.
RECEIVED = 7


class Tunnel:
    """As much of a tunnel as a streamed response needs."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.outgoing = Outgoing(WINDOW)
        self.response: StreamedTunnel

    def append(self, data: bytes) -> None:
        """Have Streamlit say something."""

        def append() -> None:
            self.outgoing.append(data)
            self.response.on_news()

        self.run(append)

    def begin(self, call: Call, position: int) -> None:
        def begin() -> None:
            self.response = StreamedTunnel(
                self._loop, call.caller, lambda: None, self.outgoing, position, self._state
            )
            self.response.start()

        self.run(begin)

    def run(self, call: t.Callable[[], None]) -> None:
        self._loop.call(call)
        wait_for(self._loop)

    def _state(self, position: int) -> State:
        return State(position, RECEIVED, self.outgoing.total)


@pytest.fixture
def tunnel(loop: Loop) -> Tunnel:
    tunnel = Tunnel(loop)
    tunnel.outgoing.append(b"abcdef")
    tunnel.outgoing.acknowledge(2)
    return tunnel


def test_what_is_there_and_what_comes(tunnel: Tunnel, make_call: MakeCall) -> None:
    call = make_call()
    tunnel.begin(call, 3)
    assert call.stream_data(3) == b"def"
    tunnel.append(b"ghi")

    assert call.stream_data(6) == b"defghi"
    assert call.records.states == [records.State(3, RECEIVED, 6)]
    assert call.records.pieces[0] == (3, b"def")


def test_nothing_is_there(tunnel: Tunnel, make_call: MakeCall) -> None:
    call = make_call()
    tunnel.begin(call, 6)
    assert call.stream()

    assert call.records.states == [records.State(6, RECEIVED, 6)]
    tunnel.append(b"g")
    assert call.stream_data(1) == b"g"


def test_signs_of_life_say_where_it_stands(
    tunnel: Tunnel, loop: Loop, clock: Clock, make_call: MakeCall
) -> None:
    call = make_call()
    tunnel.begin(call, 2)
    clock.advance(15, loop)
    while len(call.records.states) < 2:
        assert call.stream()
    tunnel.append(b"g")

    assert call.stream_data(5) == b"cdefg"
    assert call.records.states[1] == records.State(6, RECEIVED, 6)
    assert call.records.pieces[-1] == (6, b"g")


@pytest.mark.parametrize("there", [True, False], ids=["with data", "without"])
def test_last(tunnel: Tunnel, loop: Loop, make_call: MakeCall, there: bool) -> None:
    call = make_call()
    tunnel.begin(call, 6)
    if there:
        tunnel.run(lambda: tunnel.outgoing.append(b"g"))
    tunnel.run(tunnel.response.on_last)
    while call.stream():
        pass

    assert call.records.data == (b"g" if there else b"")
    call.close()
    eventually(lambda: not loop.tasks)


def test_slow_page(tunnel: Tunnel, loop: Loop, rounds: Rounds, make_call: MakeCall) -> None:
    """All of it arrives; little of it is kept twice meanwhile."""
    data = bytes(range(256)) * 4000
    call = make_call(tcp=True)
    tunnel.begin(call, 6)
    tunnel.append(data)
    assert len(tunnel.response._out) < 2 * tunnel.response.HIGH_WATER
    rounds.check_idle(loop)
    tunnel.run(tunnel.response.on_last)
    while call.stream():
        pass

    assert call.records.data == data
    assert call.records.is_complete


def test_page_had_it_from_another_response(tunnel: Tunnel, loop: Loop, make_call: MakeCall) -> None:
    """What is acknowledged isn't there any more; the response says where it goes on."""
    data = bytes(range(250)) * 4000
    call = make_call(tcp=True)
    tunnel.begin(call, 6)
    tunnel.append(data)
    before = tunnel.response._position
    assert before < 900_000
    tunnel.run(lambda: tunnel.outgoing.acknowledge(900_000))
    tunnel.run(tunnel.response.on_last)
    while call.stream():
        pass

    first, second = call.records.states
    assert (first.offset, second.offset) == (6, 900_000)
    assert call.records.data == data[: before - 6] + data[900_000 - 6 :]


def test_page_goes_away_within_it(tunnel: Tunnel, loop: Loop, make_call: MakeCall) -> None:
    call = make_call(tcp=True)
    tunnel.begin(call, 6)
    tunnel.append(bytes(1_000_000))
    call.stream_data(1000)
    call.close()
    catch_up(loop)
    eventually(lambda: call.outcomes)

    assert not loop.tasks


def test_it_ends_before_hosts_end_it(
    tunnel: Tunnel, loop: Loop, clock: Clock, make_call: MakeCall
) -> None:
    call = make_call()
    tunnel.begin(call, 6)
    clock.advance(49, loop)
    assert not tunnel.response.is_over
    clock.advance(1, loop)
    while call.stream():
        pass

    assert tunnel.response.is_over
