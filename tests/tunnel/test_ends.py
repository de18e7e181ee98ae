"""A tunnel's end of a socket pair; the test has the relay's."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from fluxsync.bridges.polling import READ
from fluxsync.tunnel.ends import End
from tests.support import frames
from tests.support.frames import Frame
from tests.support.http import Stream
from tests.support.relays import catch_up, is_readable, unix_pair, wait_for
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.bridges.loop import Loop
    from tests.support.relays import Rounds

#: What the tunnel's end masks with.
MASK = bytes(4)
PONG = 0x80 | frames.PONG


def ping(payload: bytes) -> Frame:
    return Frame(0x80 | frames.PING, payload)


class Owner:
    """Takes what comes, as long as there's room."""

    def __init__(self, loop: Loop) -> None:
        self.far, near = unix_pair()
        self.relay = Stream(self.far)
        self.room = 1 << 20
        self.taken = b""
        self.ended = 0
        self.failed: list[str] = []
        self.end = End(loop, near, self)
        self._loop = loop
        self.run(self.end.watch)

    def run(self, call: t.Callable[[], None]) -> None:
        """Do something in the loop's thread."""
        self._loop.call(call)
        catch_up(self._loop)

    def say(self, data: bytes) -> None:
        """Say something in the page's place."""

        def say() -> None:
            self.end.send(data)
            self.end.watch()

        self.run(say)

    def hear(self, *sent: Frame) -> None:
        """Have the relay say something."""
        self.far.sendall(b"".join(frame.encode() for frame in sent))
        catch_up(self._loop)

    def heard(self) -> list[Frame]:
        """Return what the relay has got."""
        heard = []
        while self.relay.buffer or is_readable(self.far):
            frame = frames.read_frame(self.relay)
            assert frame is not None
            heard.append(frame)
        return heard

    def take(self, data: bytes) -> None:
        self.taken += data

    def on_end(self) -> None:
        self.ended += 1

    def fail(self, reason: str) -> None:
        self.failed.append(reason)
        self.end.close()


@pytest.fixture
def owner(loop: Loop) -> Iterator[Owner]:
    owner = Owner(loop)
    yield owner
    owner.far.close()
    wait_for(loop)
    loop.call(owner.end.close)
    wait_for(loop)


def masked(frame: Frame) -> Frame:
    return Frame(frame.first, frame.payload, masked=True)


ONE, TWO = frames.text("one"), frames.binary(b"two")
BYTES = ONE.encode(MASK)


def test_frames_pass_both_ways(owner: Owner, loop: Loop, rounds: Rounds) -> None:
    owner.say(BYTES)
    owner.hear(ONE, TWO)

    assert owner.heard() == [masked(ONE)]
    assert owner.taken == ONE.encode() + TWO.encode()
    rounds.check_idle(loop)


def test_pings_are_answered(owner: Owner) -> None:
    """The page sees none of them."""
    owner.hear(ONE, ping(b"a"), TWO)
    owner.hear(ping(b""))

    assert owner.heard() == [Frame(PONG, b"a", masked=True), Frame(PONG, b"", masked=True)]
    assert owner.taken == ONE.encode() + TWO.encode()


@pytest.mark.parametrize("cut", range(1, len(BYTES)))
def test_pong_waits_for_the_end_of_a_frame(owner: Owner, cut: int) -> None:
    owner.say(BYTES[:cut])
    owner.hear(ping(b"a"), ping(b"b"))
    owner.say(BYTES[cut:])

    # RFC 6455 5.5.3: the last one counts.
    assert owner.heard() == [masked(ONE), Frame(PONG, b"b", masked=True)]


@pytest.mark.parametrize("size", [125, 65535, 1 << 16])
def test_pong_is_put_in_where_a_frame_ends(owner: Owner, size: int) -> None:
    """A page that sends a lot is always within a frame at the end of a request."""
    frame = Frame(frames.BINARY, b"x" * size)
    first = frame.encode(MASK)
    owner.say(first[:100])
    owner.hear(ping(b"a"))
    owner.say(first[100:] + BYTES[:-1])
    owner.say(BYTES[-1:])

    assert owner.heard() == [masked(frame), Frame(PONG, b"a", masked=True), masked(ONE)]


def test_no_pong_behind_a_close_frame(owner: Owner) -> None:
    """RFC 6455 5.5.1: nothing may follow it."""
    owner.say(frames.close(1000).encode(MASK))
    owner.hear(ping(b"a"))

    assert owner.heard() == [masked(frames.close(1000))]


@pytest.mark.parametrize(
    ("said", "goodbye"),
    [
        pytest.param(b"", True, id="at once"),
        pytest.param(BYTES, True, id="between frames"),
        pytest.param(BYTES[:1], False, id="within a header"),
        pytest.param(BYTES[:-1], False, id="within a frame"),
        pytest.param(frames.close(1000).encode(MASK), False, id="behind a close frame"),
    ],
)
def test_goodbye(owner: Owner, loop: Loop, said: bytes, goodbye: bool) -> None:
    owner.say(said)
    owner.run(lambda: owner.end.say_goodbye(1001))
    owner.run(owner.end.close)

    expected = said + (frames.close(1001).encode(MASK) if goodbye else b"")
    assert b"".join(owner.relay.pieces(1 << 20)) == expected


def test_relay_that_takes_nothing(owner: Owner, loop: Loop, rounds: Rounds) -> None:
    """What the page said waits for it, the answers to pings too."""
    frame = frames.binary(bytes(1 << 19))
    owner.say(frame.encode(MASK))
    assert owner.end.unsent
    rounds.check_idle(loop)
    owner.hear(ping(b"a"))

    assert [frames.read_frame(owner.relay) for _ in range(2)] == [
        masked(frame),
        Frame(PONG, b"a", masked=True),
    ]
    catch_up(loop)
    assert not owner.end.unsent
    rounds.check_idle(loop)


def test_owner_without_room(owner: Owner, loop: Loop, rounds: Rounds) -> None:
    """Nothing is read until there's room, and then no more than that."""
    owner.room = 0
    owner.run(owner.end.watch)
    owner.hear(frames.binary(bytes(98)))
    rounds.check_idle(loop)
    assert owner.taken == b""
    owner.room = 10

    def read_once() -> None:
        owner.end.on_events(READ)
        owner.room = 0
        owner.end.watch()

    owner.run(read_once)

    assert len(owner.taken) == 10
    owner.room = 1 << 20
    owner.run(owner.end.watch)
    eventually(lambda: owner.taken == frames.binary(bytes(98)).encode())


@pytest.mark.parametrize("room", [1 << 20, 0], ids=["room", "no room"])
def test_end(owner: Owner, loop: Loop, rounds: Rounds, room: int) -> None:
    """It's seen when there's room; what is said then is for nobody."""
    owner.hear(ONE)
    owner.room = room
    owner.run(owner.end.watch)
    owner.far.close()
    catch_up(loop)
    assert (owner.ended, owner.end.is_over) == ((1, True) if room else (0, False))
    owner.say(BYTES)
    assert not owner.end.unsent
    rounds.check_idle(loop)
    owner.room = 1
    owner.run(owner.end.watch)
    eventually(lambda: owner.ended)

    assert owner.taken == ONE.encode()
    assert (owner.ended, owner.end.is_over) == (1, True)


def test_end_while_something_waits(owner: Owner, loop: Loop, rounds: Rounds) -> None:
    owner.room = 0
    owner.say(bytes(1 << 20))
    assert owner.end.unsent
    owner.far.close()
    eventually(lambda: not owner.end.unsent)

    rounds.check_idle(loop)
    assert not owner.failed


def test_trouble(owner: Owner, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "take", lambda data: 1 / 0)
    with contextlib.suppress(BrokenPipeError):
        owner.hear(ONE)

    assert owner.failed == ["internal error"]
    assert not owner.relay.fill()
