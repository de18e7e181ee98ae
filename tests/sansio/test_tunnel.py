from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.tunnel import Incoming, Outgoing, OutOfWindow

# What was sent


def outgoing(kept: bytes = b"cdef", acknowledged: int = 2, window: int = 8) -> Outgoing:
    """Return a stream of which the first part has come."""
    stream = Outgoing(window)
    stream.append(bytes(acknowledged) + kept)
    stream.acknowledge(acknowledged)
    return stream


def facts(stream: Outgoing) -> tuple[int, int, int, int, bytes]:
    kept = stream.read(stream.acknowledged, 1 << 20)
    return stream.acknowledged, stream.total, stream.kept, stream.room, kept


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_append(kind: t.Callable[[bytes], bytes]) -> None:
    stream = outgoing()
    stream.append(kind(b"gh"))

    assert facts(stream) == (2, 8, 6, 2, b"cdefgh")


def test_what_is_appended_is_copied() -> None:
    """The buffer that it was in is used again."""
    buffer = bytearray(b"ab")
    stream = Outgoing(8)
    stream.append(memoryview(buffer))
    buffer[:] = b"xy"

    assert stream.read(0, 2) == b"ab"


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        pytest.param(0, (2, 6, 4, 4, b"cdef"), id="overtaken"),
        pytest.param(2, (2, 6, 4, 4, b"cdef"), id="again"),
        pytest.param(3, (3, 6, 3, 5, b"def"), id="more"),
        pytest.param(6, (6, 6, 0, 8, b""), id="everything"),
    ],
)
def test_acknowledge(position: int, expected: tuple[int, int, int, int, bytes]) -> None:
    stream = outgoing()
    stream.acknowledge(position)

    assert facts(stream) == expected


def test_acknowledgement_of_what_was_never_sent() -> None:
    stream = outgoing()

    with pytest.raises(OutOfWindow, match=r"^7 of 6 bytes can't have come$"):
        stream.acknowledge(7)
    assert facts(stream) == (2, 6, 4, 4, b"cdef")


@pytest.mark.parametrize(
    ("position", "limit", "expected"),
    [
        pytest.param(2, 9, b"cdef", id="everything"),
        pytest.param(2, 2, b"cd", id="a part"),
        pytest.param(4, 2, b"ef", id="the rest"),
        pytest.param(4, 0, b"", id="nothing is wanted"),
        pytest.param(6, 9, b"", id="nothing is there"),
    ],
)
def test_read(position: int, limit: int, expected: bytes) -> None:
    assert outgoing().read(position, limit) == expected


@pytest.mark.parametrize("position", [1, 7], ids=["not kept any more", "never sent"])
def test_read_what_is_not_there(position: int) -> None:
    with pytest.raises(OutOfWindow, match=rf"^{position} is not in 2\.\.6$"):
        outgoing().read(position, 0)


def test_room_is_never_negative() -> None:
    """A frame that was cut may come with a few bytes more than there was room for."""
    assert outgoing(b"x" * 9).room == 0


# What has come


@pytest.mark.parametrize(
    ("position", "data", "room", "fresh"),
    [
        pytest.param(4, b"efg", 9, b"efg", id="next"),
        pytest.param(0, b"abcdefg", 9, b"efg", id="repeated, and more"),
        pytest.param(2, b"cd", 9, b"", id="repeated"),
        pytest.param(0, b"a", 9, b"", id="old"),
        pytest.param(4, b"", 9, b"", id="nothing"),
        pytest.param(4, b"efg", 2, b"ef", id="more than there's room for"),
        pytest.param(2, b"cdefg", 2, b"ef", id="what was repeated takes no room"),
        pytest.param(4, b"efg", 0, b"", id="no room"),
        pytest.param(4, b"efg", -1, b"", id="less than no room"),
    ],
)
def test_accept(position: int, data: bytes, room: int, fresh: bytes) -> None:
    stream = Incoming()
    stream.accept(0, b"abcd", 9)

    assert stream.accept(position, data, room) == fresh
    assert stream.received == 4 + len(fresh)


@pytest.mark.parametrize("gap", [1, 2])
def test_gap(gap: int) -> None:
    stream = Incoming()
    stream.accept(0, b"abcd", 9)

    with pytest.raises(OutOfWindow, match=rf"^{gap} bytes are missing before {4 + gap}$"):
        stream.accept(4 + gap, b"gh", 9)
    assert stream.received == 4


# Both ends, and a network between them


@dataclasses.dataclass(frozen=True)
class Message:
    """A request, or the answer to one."""

    #: Where the data begin, and what the sender has of the other stream.
    position: int
    received: int
    data: bytes


class Peer:
    """One end of a tunnel.

    :param source: What it has to say.
    """

    def __init__(self, source: bytes, window: int) -> None:
        self.source = source
        self.window = window
        self.outgoing = Outgoing(window)
        self.incoming = Incoming()
        self.delivered = b""

    def say(self, size: int) -> None:
        """Continue the stream, as far as there's room."""
        at = self.outgoing.total
        self.outgoing.append(self.source[at : at + min(size, self.outgoing.room)])
        assert self.outgoing.kept <= self.window

    def send(self, size: int, position: int | None = None) -> Message:
        """Return what isn't acknowledged, or what follows a position."""
        at = self.outgoing.acknowledged if position is None else position
        return Message(at, self.incoming.received, self.outgoing.read(at, size))

    def take(self, message: Message, room: int = 1 << 20) -> None:
        self.outgoing.acknowledge(message.received)
        self.delivered += self.incoming.accept(message.position, message.data, room)


class Pair:
    """A page and its gateway."""

    def __init__(self, up: bytes, down: bytes, window: int) -> None:
        self.page, self.gateway = Peer(up, window), Peer(down, window)

    def exchange(self, request: Message, size: int, room: int) -> Message | None:
        """Have the gateway answer a request; ``None`` if it refuses."""
        gateway = self.gateway
        before = facts(gateway.outgoing), gateway.incoming.received
        try:
            gateway.outgoing.read(request.received, 0)
            gateway.take(request, room)
        except OutOfWindow:
            assert (facts(gateway.outgoing), gateway.incoming.received) == before
            return None
        return gateway.send(size, request.received)

    def check(self) -> None:
        """Each byte was delivered once, and in order."""
        for sender, receiver in ((self.page, self.gateway), (self.gateway, self.page)):
            assert receiver.delivered == sender.source[: len(receiver.delivered)]
            assert sender.outgoing.acknowledged <= len(receiver.delivered)

    @property
    def is_done(self) -> bool:
        ends = ((self.page, self.gateway), (self.gateway, self.page))
        return all(sender.source == receiver.delivered for sender, receiver in ends)


SIZES = st.integers(0, 40)


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 60), st.data())
def test_every_byte_arrives_once(up: bytes, down: bytes, window: int, data: st.DataObject) -> None:
    """Whatever is dropped, repeated, cut, delayed and reordered; and then nothing is any more."""
    pair = Pair(up, down, window)
    requests: list[Message] = []
    answers: list[Message] = []

    def pick(waiting: list[Message]) -> Message:
        """Choose what arrives next; it may arrive again."""
        index = data.draw(st.integers(0, len(waiting) - 1))
        return waiting[index] if data.draw(st.booleans()) else waiting.pop(index)

    for _ in range(data.draw(st.integers(0, 25))):
        pair.page.say(data.draw(SIZES))
        pair.gateway.say(data.draw(SIZES))
        event = data.draw(st.sampled_from(["send", "request", "answer", "drop"]))
        if event == "send":
            requests.append(pair.page.send(data.draw(SIZES)))
        elif event == "request" and requests:
            answer = pair.exchange(pick(requests), data.draw(SIZES), data.draw(SIZES))
            if answer is not None:
                answers.append(answer)
        elif event == "answer" and answers:
            answer = pick(answers)
            cut = data.draw(st.integers(0, len(answer.data)))
            pair.page.take(dataclasses.replace(answer, data=answer.data[:cut]))
        elif event == "drop":
            requests, answers = answers and requests, []
        pair.check()

    for _ in range(2 * (len(up) + len(down)) + 2):
        pair.page.say(1 << 20)
        pair.gateway.say(1 << 20)
        answer = pair.exchange(pair.page.send(1 << 20), 1 << 20, 1 << 20)
        assert answer is not None, "what is up to date is never refused"
        pair.page.take(answer)
        pair.check()
        if pair.is_done:
            break
    assert pair.is_done
