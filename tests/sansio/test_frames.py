from __future__ import annotations

import dataclasses
import itertools
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig
from websockets.extensions import Extension
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side
from websockets.typing import ExtensionName

from fluxsync.sansio.closecodes import Close
from fluxsync.sansio.frames import (
    RSV1,
    RSV2,
    RSV3,
    FrameTracker,
    allowed_reserved_bits,
    apply_mask,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)
from tests.support import frames
from tests.support.frames import Frame

if t.TYPE_CHECKING:
    import websockets.frames

ALL = RSV1 | RSV2 | RSV3
MASK = b"\x01\x02\x03\x04"
SIZES = st.sampled_from([0, 1, 121, 122, 125, 126, 127, 128, 129, 130, 65535, 65536])
CONTROL = st.builds(Frame, st.sampled_from([0x89, 0x8A]), st.sampled_from([b"", b"x" * 125]))
MASKS = st.binary(min_size=4, max_size=4)


class Result(t.NamedTuple):
    """What has passed a tracker, and what it knows then."""

    passed: bytes
    at_boundary: bool
    in_message: bool
    is_over: bool
    messages: int
    close: Close | None
    violation: Close | None


class Relay:
    """Uses a tracker as it's meant to be used."""

    def __init__(self, tracker: FrameTracker) -> None:
        self.tracker = tracker
        self.passed = b""

    def receive(self, *pieces: bytes) -> Result:
        tracker = self.tracker
        for piece in pieces:
            data = tracker.held + piece
            count = tracker.feed(memoryview(data))
            self.passed += data[:count]
            assert tracker.held == (b"" if tracker.is_over else data[count:])
            assert tracker.bytes == len(self.passed)
        return Result(
            self.passed,
            tracker.at_boundary,
            tracker.in_message,
            tracker.is_over,
            tracker.messages,
            tracker.close,
            tracker.violation,
        )


def cut(data: bytes, cuts: t.Iterable[int]) -> list[bytes]:
    """Cut at these places, as far as they lie within."""
    places = [0, *sorted(place for place in cuts if 0 < place < len(data)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@dataclasses.dataclass
class Stream:
    """Legal frames as bytes, and what a tracker should make of them."""

    masked: bool
    reserved_bits: int = 0
    data: bytes = b""
    #: Where each frame begins, where its payload begins, and the frame.
    frames: list[tuple[int, int, Frame]] = dataclasses.field(default_factory=list)

    def add(self, frame: Frame, mask: bytes) -> None:
        encoded = frame.encode(mask if self.masked else None)
        start, self.data = len(self.data), self.data + encoded
        self.frames.append((start, len(self.data) - len(frame.payload), frame))

    def tracker(self, *, max_frame: int = 0, max_message: int = 0) -> FrameTracker:
        return FrameTracker(
            masked=self.masked,
            reserved_bits=self.reserved_bits,
            max_frame=max_frame,
            max_message=max_message,
        )

    @property
    def in_message(self) -> bool:
        data = [frame for _, _, frame in self.frames if frame.opcode < frames.CLOSE]
        return bool(data) and not data[-1].fin

    def expected(self, size: int) -> Result:
        """Say what a tracker makes of so many bytes."""
        result = Result(b"", True, False, False, 0, None, None)
        for _, payload, frame in self.frames:
            end = payload + len(frame.payload)
            if size < (end if frame.opcode == frames.CLOSE else payload):
                break
            close = frame.opcode == frames.CLOSE
            result = Result(
                passed=self.data[: min(size, end)],
                at_boundary=size >= end,
                in_message=result.in_message and not close
                if frame.opcode >= frames.CLOSE
                else not frame.fin,
                is_over=close,
                messages=result.messages + (frame.opcode in (frames.TEXT, frames.BINARY)),
                close=Close(frame.close_code, frame.close_reason) if close else None,
                violation=None,
            )
            if size < end:
                break
        return result


@st.composite
def legal(draw: st.DrawFn, *, closed: bool | None = None) -> Stream:
    """Draw messages in one frame or several, control frames between them, maybe a close frame.

    :param closed: Whether there is a close frame; ``None`` to draw that, too.
    """
    stream = Stream(draw(st.booleans()), draw(st.sampled_from([0, RSV1, ALL])))
    masks = draw(st.lists(MASKS, min_size=1, max_size=3))

    def add(frame: Frame) -> None:
        stream.add(frame, masks[len(stream.frames) % len(masks)])

    for sizes in draw(st.lists(st.lists(SIZES, min_size=1, max_size=3), max_size=3)):
        opcode = draw(st.sampled_from([frames.TEXT, frames.BINARY]))
        bits = draw(st.sampled_from([0, stream.reserved_bits]))
        for i, size in enumerate(sizes):
            first = opcode | bits if i == 0 else frames.CONTINUATION
            add(Frame(first | (0x80 if i == len(sizes) - 1 else 0), b"x" * size))
            if draw(st.booleans()):
                add(draw(CONTROL))
    if draw(st.booleans()):
        add(Frame(frames.TEXT, b"unfinished"))
    if draw(st.booleans()) if closed is None else closed:
        add(frames.close(draw(st.sampled_from([None, 1000, 4999])), "bye"))
    return stream


def positions(stream: Stream, size: int) -> st.SearchStrategy[set[int]]:
    """Draw places to cut at, many of them in and around headers."""
    near = {start + i for start, _, _ in stream.frames for i in range(-3, 15)} | {size}
    places = sorted(place for place in near if 0 <= place <= size)
    return st.sets(st.integers(0, size) | st.sampled_from(places), max_size=20)


@given(legal(), st.data())
def test_cuts_make_no_difference(stream: Stream, data: st.DataObject) -> None:
    """After each piece, what has passed and what is known depend on the bytes so far only."""
    relay = Relay(stream.tracker())
    done = 0

    for piece in cut(stream.data, data.draw(positions(stream, len(stream.data)))):
        done += len(piece)
        assert relay.receive(piece) == stream.expected(done)

    assert done == len(stream.data)


def head(first: int, length: int, masked: bool, extended: bytes = b"") -> bytes:
    """Return a frame header as it's told, legal or not."""
    return bytes([first, length | (0x80 if masked else 0)]) + extended + (MASK if masked else b"")


@st.composite
def illegal(draw: st.DrawFn, stream: Stream) -> tuple[bytes, str]:
    """Draw the header of a frame that may not come next, and what is wrong with it."""
    masked, in_message = stream.masked, stream.in_message
    opcode, other = (0x00, 0x01) if in_message else (0x01, 0x00)
    choices = [
        (head(0x83, 5, masked), "reserved opcode 0x3"),
        (head(opcode, 5, not masked), "unmasked frame" if masked else "masked frame"),
        (head(0x09, 5, masked), "fragmented control frame"),
        (head(0x88, 126, masked, b"\x00\x7e"), "control frame over 125 bytes"),
        (
            head(other, 5, masked),
            "new message within a fragmented one" if in_message else "continuation without a start",
        ),
        (head(opcode, 126, masked, b"\x00\x7d"), "length not in its shortest form"),
        (head(opcode, 127, masked, b"\x80" + bytes(7)), "length of 64 bits"),
    ]
    return draw(st.sampled_from(choices))


@given(legal(closed=False), st.data(), st.binary(max_size=20))
def test_illegal_frame_ends_it(stream: Stream, data: st.DataObject, rest: bytes) -> None:
    """Exactly what comes before it passes, and the verdict is the same however it's cut."""
    header, reason = data.draw(illegal(stream))
    everything = stream.data + header + rest
    relay = Relay(stream.tracker())

    cuts = data.draw(positions(stream, len(everything)))
    result = relay.receive(*cut(everything, cuts))

    assert result == stream.expected(len(stream.data))._replace(
        in_message=False, is_over=True, violation=Close(1002, reason)
    )
    assert relay.receive(b"\x81\x00", b"x" * 200) == result


#: The length in the second byte, and the length behind it.
LENGTHS = [
    (0, b""),
    (125, b""),
    # Together with their payloads as long as frames of 126 and 127 bytes would be, if the second
    # byte could say that.
    (126, b"\x00\x7c"),
    (127, bytes(7) + b"\x77"),
    (126, b"\x00\x7d"),
    (126, b"\x00\x7e"),
    (126, b"\xff\xff"),
    (127, (65535).to_bytes(8, "big")),
    (127, (65536).to_bytes(8, "big")),
    # Might be taken for one of 16 bits.
    (127, b"\x00\xc8" + bytes(6)),
    (127, b"\x80" + bytes(7)),
]


def wrong_with(first: int, length: int, extended: bytes, in_message: bool, bits: int) -> str:
    """Say what is wrong with a frame whose masking is right."""
    opcode, fin = first & 0x0F, first & 0x80
    if opcode not in (0, 1, 2, 8, 9, 10):
        return f"reserved opcode {opcode:#x}"
    if opcode >= 8 and not fin:
        return "fragmented control frame"
    if opcode >= 8 and length > 125:
        return "control frame over 125 bytes"
    if opcode == 0 and not in_message:
        return "continuation without a start"
    if opcode in (1, 2) and in_message:
        return "new message within a fragmented one"
    allowed = bits if bits == ALL or opcode in (1, 2) else 0
    if first & ALL & ~allowed:
        return "reserved bit without its extension"
    number = int.from_bytes(extended, "big")
    if length > 125 and number < (126 if length == 126 else 65536):
        return "length not in its shortest form"
    return "length of 64 bits" if number >= 2**63 else ""


@pytest.mark.parametrize("in_message", [False, True], ids=["between", "within"])
@pytest.mark.parametrize("bits", [0, RSV1, ALL])
@pytest.mark.parametrize("masked", [False, True], ids=["unmasked", "masked"])
def test_every_header(masked: bool, bits: int, in_message: bool) -> None:
    """A header is judged alike at once and byte by byte, with and without its payload."""
    before = Frame(0x01).encode(MASK if masked else None) if in_message else b""
    for first, (length, extended), right in itertools.product(range(256), LENGTHS, [True, False]):
        header = head(first, length, masked == right, extended)
        number = int.from_bytes(extended, "big") or length
        payload = number if number <= 200 else 200
        # With the wrong masking, it's still as long as it would have to be.
        data = (header + bytes(payload + 4))[: 2 + len(extended) + 4 * masked + payload]
        expected = wrong_with(first, length, extended, in_message, bits)
        if not right and not expected.startswith("reserved opcode"):
            expected = "unmasked frame" if masked else "masked frame"

        for pieces in ([data], [data[i : i + 1] for i in range(14)] + [data[14:]]):
            relay = Relay(FrameTracker(masked=masked, reserved_bits=bits))
            result = relay.receive(before, *pieces)
            assert result.violation == (Close(1002, expected) if expected else None), header
            assert result.passed == before + (b"" if expected else data)
            assert result.at_boundary == (bool(expected) or payload == number)


@given(
    st.binary()
    | st.lists(st.sampled_from([b"\x01\x00", b"\x80\x02hi", b"\x88", b"~"])).map(b"".join),
    st.sets(st.integers(0, 200)),
    st.booleans(),
    st.sampled_from([0, RSV1, ALL]),
    st.integers(0, 3),
)
def test_garbage(
    garbage: bytes, cuts: set[int], masked: bool, reserved_bits: int, limit: int
) -> None:
    """Whatever comes is handled, in the same way however it's cut."""
    whole, pieces = (
        Relay(
            FrameTracker(
                masked=masked, reserved_bits=reserved_bits, max_frame=limit, max_message=limit
            )
        )
        for _ in range(2)
    )

    result = whole.receive(garbage)

    assert pieces.receive(*cut(garbage, cuts)) == result
    assert garbage.startswith(result.passed)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize("masked", [False, True], ids=["unmasked", "masked"])
def test_byte_by_byte(size: int, masked: bool) -> None:
    stream = Stream(masked)
    stream.add(Frame(0x82, b"x" * size), MASK)
    relay = Relay(stream.tracker())

    for i in range(len(stream.data)):
        relay.receive(stream.data[i : i + 1])
        at_header = i < len(stream.data) - size - 1
        assert relay.tracker.at_boundary == (at_header or i == len(stream.data) - 1)

    assert relay.passed == stream.data
    assert relay.tracker.messages == 1


def test_size_of_63_bits() -> None:
    """Nothing is allocated for a frame that is only announced."""
    relay = Relay(FrameTracker(masked=False))

    result = relay.receive(b"\x82\x7f" + (2**63 - 1).to_bytes(8, "big") + b"x" * 100)

    assert len(result.passed) == 110
    assert not result.at_boundary
    assert result.violation is None


@pytest.mark.parametrize("sizes", [(3, 0, 4), (7,), (0, 7), (130,), (70_000,)], ids=str)
def test_limits(sizes: tuple[int, ...]) -> None:
    """What is as large as the limit passes, and what is larger does not, from its header on."""
    stream = Stream(masked=True)
    for _ in range(2):  # the second message is counted from the beginning
        for i, size in enumerate(sizes):
            first = (frames.BINARY if i == 0 else 0) | (0x80 if i == len(sizes) - 1 else 0)
            stream.add(Frame(first, b"x" * size), MASK)
            stream.add(Frame(0x89, b"not counted"), MASK)

    def result(pieces: t.Iterable[bytes], **limits: int) -> Result:
        return Relay(stream.tracker(**limits)).receive(*pieces)

    largest, total = max(sizes), sum(sizes)
    framewise = cut(stream.data, {start for start, _, _ in stream.frames})
    bytewise = [bytes([byte]) for byte in stream.data[:1000]]
    everything = stream.expected(len(stream.data))
    over_frame = Close(1009, f"frame over {largest - 1} bytes")
    over_message = Close(1009, f"message over {total - 1} bytes")
    first_over = next(start for start, _, f in stream.frames if len(f.payload) == largest)
    last = stream.frames[2 * len(sizes) - 2][0]

    assert result([stream.data], max_frame=largest, max_message=total) == everything
    for pieces in ([stream.data], framewise, bytewise):
        refused = result(pieces, max_frame=largest - 1)
        assert (len(refused.passed), refused.violation) == (first_over, over_frame)
        refused = result(pieces, max_message=total - 1)
        assert (len(refused.passed), refused.violation) == (last, over_message)


def test_message_too_big_is_refused_before_its_mask() -> None:
    relay = Relay(FrameTracker(masked=True, max_message=1000))

    assert relay.receive(b"\x82\xfe\x04\x00").violation == Close(1009, "message over 1000 bytes")


def test_close_passes_whole() -> None:
    data = frames.close(1001, "bye").encode(MASK)
    relay = Relay(FrameTracker(masked=True))

    result = relay.receive(b"\x89\x80" + MASK + data[:-1])
    assert (len(result.passed), result.at_boundary, result.close) == (6, True, None)

    result = relay.receive(data[-1:] + b"what nobody wants to know")
    assert (result.passed[6:], result.close) == (data, Close(1001, "bye"))
    assert relay.receive(b"\x81\x80", MASK) == result


def test_close_in_a_sides_place() -> None:
    """What it had begun to say is forgotten."""
    tracker = FrameTracker(masked=True)
    assert tracker.feed(b"\x81\x85") == 0
    assert tracker.at_boundary

    frame = close_frame(Close(1012), MASK)
    assert tracker.feed(frame) == len(frame)

    assert tracker.held == b""
    assert tracker.close == Close(1012)
    assert tracker.feed(MASK + b"hello") == 0


@pytest.mark.parametrize("mask", [None, MASK], ids=["to a client", "to a server"])
def test_close_frame(mask: bytes | None) -> None:
    assert close_frame(Close(1012, "é"), mask) == frames.close(1012, "é").encode(mask)


def test_close_frame_with_the_longest_reason() -> None:
    result = Relay(FrameTracker(masked=False)).receive(close_frame(Close(1011, "x" * 200)))

    assert result.close == Close(1011, "x" * 123)


@pytest.mark.parametrize("payload", [b"", b"x" * 125], ids=len)
def test_ping_frame(payload: bytes) -> None:
    assert ping_frame(payload) == Frame(0x89, payload).encode()
    masked = ping_frame(payload, b"\1\2\3\4")
    assert masked[1] == 0x80 | len(payload)
    assert masked[2:6] == b"\1\2\3\4"
    assert apply_mask(masked[6:], b"\1\2\3\4") == payload


@pytest.mark.parametrize("payload", [b"", b"x" * 125], ids=len)
def test_pong_frame(payload: bytes) -> None:
    assert pong_frame(payload, MASK) == Frame(0x8A, payload).encode(MASK)


@pytest.mark.parametrize("payload", [b"", b"x" * 125], ids=len)
def test_text_frame(payload: bytes) -> None:
    assert text_frame(payload) == Frame(0x81, payload).encode()


def test_what_is_left_of_a_frame() -> None:
    tracker = FrameTracker(masked=True)
    frame = frames.text("hello").encode(MASK)

    left = [(tracker.feed(tracker.held + frame[i : i + 1]), tracker.left)[1] for i in range(11)]
    assert left == [0, 0, 0, 0, 0, 5, 4, 3, 2, 1, 0]


@given(st.binary(), MASKS)
def test_mask_is_undone_by_itself(payload: bytes, mask: bytes) -> None:
    masked = apply_mask(payload, mask)

    assert masked == frames.xor(payload, mask)
    assert apply_mask(masked, mask) == payload


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ("", 0),
        (" , ", 0),
        ("permessage-deflate", RSV1),
        ("Permessage-Deflate; server_max_window_bits=12;client_no_context_takeover", RSV1),
        ("permessage-deflate, permessage-deflate", RSV1),
        ("x-webkit-deflate-frame", ALL),
        ("permessage-deflate, x-else; a=b", ALL),
    ],
)
def test_allowed_reserved_bits(extensions: str, expected: int) -> None:
    assert allowed_reserved_bits(extensions) == expected


# What the WebSocket library of Streamlit's server says to the same bytes.


class Marked(Extension):
    """Has its mark where permessage-deflate has it, and changes nothing."""

    name = ExtensionName("marked")

    def decode(
        self, frame: websockets.frames.Frame, *, max_size: int | None = None
    ) -> websockets.frames.Frame:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            return dataclasses.replace(frame, rsv1=False)
        return frame

    def encode(self, frame: websockets.frames.Frame) -> websockets.frames.Frame:
        return frame


def peer(masked: bool, reserved_bits: int, max_size: int | None = None) -> Protocol:
    protocol = Protocol(Side.SERVER if masked else Side.CLIENT, max_size=max_size)
    protocol.extensions = [Marked()] if reserved_bits else []
    return protocol


FIRSTS = st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x89, 0x8A, 0xC1])


@st.composite
def any_frames(draw: st.DrawFn, masked: bool) -> list[bytes]:
    """Draw frames that may be legal where they stand."""
    drawn = []
    for _ in range(draw(st.integers(1, 6))):
        wrong = draw(st.integers(0, 9))
        first = draw(st.integers(0, 255) if wrong == 0 else FIRSTS)
        size = draw(SIZES if wrong == 1 else st.integers(0, 20))
        if first & 0x0F == frames.CLOSE and size < 126:
            # The codes and the text in a close frame are none of the tracker's business.
            size = 0
        drawn.append(Frame(first, b"x" * size).encode(MASK if masked != (wrong == 2) else None))
    if draw(st.booleans()):
        drawn.append(frames.close(1000, "bye").encode(MASK if masked else None))
    return drawn


@given(st.data(), st.booleans(), st.sampled_from([0, RSV1]))
def test_same_verdict_as_websockets(data: st.DataObject, masked: bool, reserved_bits: int) -> None:
    """Both accept the same frames, and refuse the first that is illegal, with the same code.

    But for a close frame before the last fragment of a message, which RFC 6455 5.4 allows and
    websockets refuses.
    """
    protocol = peer(masked, reserved_bits)
    relay = Relay(FrameTracker(masked=masked, reserved_bits=reserved_bits))

    for frame in data.draw(any_frames(masked)):
        in_message = relay.tracker.in_message
        result = relay.receive(frame)
        protocol.receive_data(frame)
        events = protocol.events_received()
        if result.close is not None and in_message:
            assert str(protocol.parser_exc) == "incomplete fragmented message"
            break
        assert (result.violation is None) == (protocol.parser_exc is None)
        assert len(events) == (0 if result.violation else 1)
        if result.violation is not None:
            assert protocol.close_sent is not None
            assert result.violation.code == protocol.close_sent.code
        if result.is_over:
            break


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=4), max_size=4))
def test_same_limit_as_websockets(messages: list[list[int]]) -> None:
    protocol = peer(True, 0, max_size=20)
    relay = Relay(FrameTracker(masked=True, max_message=20))

    for sizes in messages:
        for i, size in enumerate(sizes):
            first = (frames.TEXT if i == 0 else 0) | (0x80 if i == len(sizes) - 1 else 0)
            frame = Frame(first, b"x" * size).encode(MASK)
            result = relay.receive(frame)
            protocol.receive_data(frame)
            assert (result.violation is None) == (protocol.parser_exc is None)
            if result.violation is not None:
                assert result.violation.code == 1009
                assert isinstance(protocol.parser_exc, PayloadTooBig)
                return


@pytest.mark.parametrize("header", [b"\x82\x7e\x00\x01", b"\x82\x7f" + bytes(7) + b"\x01"])
def test_stricter_than_websockets(header: bytes) -> None:
    """RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length"."""
    protocol = peer(False, 0)
    protocol.receive_data(header + b"x")

    assert protocol.parser_exc is None
    assert Relay(FrameTracker(masked=False)).receive(header).violation is not None
