from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.closecodes import Close
from fluxsync.sansio.frames import FrameTracker, apply_mask, close_frame
from tests.support import frames
from tests.support.frames import Frame

MASK = b"\x01\x02\x03\x04"
OPCODES = st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0xC1, 0x89, 0x8A])
SIZES = st.sampled_from([0, 1, 125, 126, 127, 65535, 65536])


@dataclasses.dataclass
class Stream:
    """Frames as bytes, and what a tracker should know in the end."""

    data: bytes = b""
    boundaries: set[int] = dataclasses.field(default_factory=lambda: {0})
    messages: int = 0
    close: Close | None = None

    def add(self, frame: Frame, mask: bytes | None) -> None:
        self.data += frame.encode(mask)
        self.boundaries.add(len(self.data))
        self.messages += frame.opcode in (frames.TEXT, frames.BINARY)
        if frame.opcode == frames.CLOSE:
            self.close = Close(frame.close_code, frame.close_reason)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw frames of all kinds and sizes, and maybe a close frame, masked and not."""
    stream = Stream()
    masks = st.none() | st.binary(min_size=4, max_size=4)
    for first, size in draw(st.lists(st.tuples(OPCODES, SIZES), max_size=4)):
        stream.add(Frame(first, b"x" * size), draw(masks))
    if draw(st.booleans()):
        stream.add(frames.close(draw(st.sampled_from([None, 1000, 4999])), "bye"), draw(masks))
    return stream


@given(streams(), st.data())
def test_cuts_make_no_difference(stream: Stream, data: st.DataObject) -> None:
    near = sorted({b + d for b in stream.boundaries for d in range(-3, 15)})
    positions = st.integers(0, len(stream.data)) | st.sampled_from(near)
    cuts = data.draw(st.sets(positions, max_size=20)) | stream.boundaries
    cuts = {cut for cut in cuts if 0 <= cut <= len(stream.data)}
    tracker = FrameTracker()

    seen = set()
    done = 0
    for cut in sorted(cuts):
        tracker.feed(stream.data[done:cut])
        done = cut
        if tracker.at_boundary:
            seen.add(cut)

    assert seen == stream.boundaries
    assert tracker.messages == stream.messages
    assert tracker.close == stream.close
    assert tracker.bytes == len(stream.data)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
def test_byte_by_byte(size: int, mask: bytes | None) -> None:
    data = Frame(0x82, b"x" * size).encode(mask)
    tracker = FrameTracker()

    boundaries = []
    for i in range(len(data)):
        tracker.feed(data[i : i + 1])
        boundaries.append(tracker.at_boundary)

    assert boundaries == [False] * (len(data) - 1) + [True]
    assert tracker.messages == 1


def test_size_of_63_bits() -> None:
    """Nothing is allocated for a frame that is only announced."""
    tracker = FrameTracker()

    tracker.feed(b"\x82\x7f" + (2**63 - 1).to_bytes(8, "big") + b"x" * 100)

    assert not tracker.at_boundary
    assert tracker.messages == 1


def test_close_frame_that_is_too_long_is_not_kept() -> None:
    tracker = FrameTracker()

    tracker.feed(Frame(0x88, b"\x03\xe8" + b"x" * 124).encode())

    assert tracker.at_boundary
    assert tracker.close is None


def test_close_is_known_only_when_it_has_passed() -> None:
    data = frames.close(1001, "bye").encode(MASK)
    tracker = FrameTracker()

    tracker.feed(data[:-1])
    assert tracker.close is None

    tracker.feed(memoryview(data)[-1:])
    assert tracker.close == Close(1001, "bye")


@pytest.mark.parametrize("mask", [None, MASK], ids=["to a client", "to a server"])
def test_close_frame(mask: bytes | None) -> None:
    assert close_frame(Close(1012, "é"), mask) == frames.close(1012, "é").encode(mask)


def test_close_frame_with_the_longest_reason() -> None:
    tracker = FrameTracker()

    tracker.feed(close_frame(Close(1011, "x" * 200)))

    assert tracker.at_boundary
    assert tracker.close == Close(1011, "x" * 123)


@given(st.binary(), st.binary(min_size=4, max_size=4))
def test_mask_is_undone_by_itself(payload: bytes, mask: bytes) -> None:
    masked = apply_mask(payload, mask)

    assert masked == frames.xor(payload, mask)
    assert apply_mask(masked, mask) == payload
