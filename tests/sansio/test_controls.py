from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.controls import PingFilter
from tests.support import frames
from tests.support.frames import Frame

PING, PONG = 0x80 | frames.PING, 0x80 | frames.PONG
SIZES = st.sampled_from([0, 1, 2, 124, 125, 126, 127, 128, 65535, 65536])
CONTROLS = st.builds(
    Frame, st.sampled_from([PING, PONG]), st.binary(max_size=3) | st.just(b"\x89" * 125)
)
#: Payloads that look like pings.
DATA = st.builds(
    lambda first, size: Frame(first, (b"\x89\x01" * size)[:size]),
    st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0xC1]),
    SIZES,
)
CLOSES = st.sampled_from([frames.close(None), frames.close(1000, "bye")])


@given(st.lists(CONTROLS | DATA | CLOSES, max_size=8), st.data())
def test_stream_without_its_pings(sent: list[Frame], data: st.DataObject) -> None:
    """Whatever pieces it comes in; and nothing is held back longer than necessary."""
    stream = b"".join(frame.encode() for frame in sent)
    ends = [len(b"".join(frame.encode() for frame in sent[:count])) for count in range(len(sent))]
    near = {end + i for end in ends for i in range(-1, 12)} | {len(stream)}
    places = st.sampled_from(sorted(near)) | st.integers(0, len(stream))
    cuts = {place for place in data.draw(st.sets(places, max_size=12)) if 0 < place < len(stream)}
    filter_ = PingFilter()
    passed, pings = b"", []
    for start, end in itertools.pairwise([0, *sorted(cuts), len(stream)]):
        piece, found = filter_.feed(memoryview(stream)[start:end])
        passed += piece
        pings += found
        assert (passed, pings) == expected(sent, end)


def expected(sent: list[Frame], size: int) -> tuple[bytes, list[bytes]]:
    """Return what passes of so many bytes of frames, and the pings among them."""
    passed, pings = b"", []
    for frame in sent:
        encoded = frame.encode()
        if frame.opcode in (frames.PING, frames.PONG):
            if size >= len(encoded) and frame.opcode == frames.PING:
                pings.append(frame.payload)
        elif size >= len(encoded) - len(frame.payload):
            passed += encoded[:size]
        size -= len(encoded)
        if size <= 0:
            break
    return passed, pings


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_kinds_of_bytes(kind: type[bytes]) -> None:
    ping, text = Frame(PING, b"x").encode(), frames.text("hello").encode()

    assert PingFilter().feed(kind(ping + text)) == (text, [b"x"])


def test_payload_passes_before_its_frame_is_complete() -> None:
    """Large messages are not collected."""
    filter_ = PingFilter()
    frame = frames.binary(bytes(1 << 20)).encode()

    assert filter_.feed(frame[:1000]) == (frame[:1000], [])
    assert filter_.feed(frame[1000:]) == (frame[1000:], [])
