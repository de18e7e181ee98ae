from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.records import (
    DATA,
    MAX_LENGTH,
    STATE,
    State,
    encode,
    encode_data,
    encode_state,
)
from tests.support import records

NUMBERS = st.integers(0, 10**15 - 1)


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        pytest.param(STATE, b"", b"\0\0\0\0", id="empty"),
        pytest.param(DATA, b"ab", b"\1\0\0\2ab", id="DATA"),
        pytest.param(255, b"x" * 0x10203, b"\xff\1\2\3" + b"x" * 0x10203, id="all of the length"),
    ],
)
def test_encode(kind: int, payload: bytes, expected: bytes) -> None:
    assert encode(kind, payload) == expected


def test_largest_record() -> None:
    assert encode(DATA, bytes(MAX_LENGTH))[:4] == b"\1\xff\xff\xff"
    with pytest.raises(ValueError, match="a record of 16777216 bytes"):
        encode(DATA, bytes(MAX_LENGTH + 1))


@pytest.mark.parametrize(
    ("state", "words", "expected"),
    [
        pytest.param(State(), (), b"\0\0\0\x050 0 0", id="nothing yet"),
        pytest.param(State(1, 22, 333), (), b"\0\0\0\x081 22 333", id="numbers"),
        pytest.param(State(), ("no-hold",), b"\0\0\0\x0d0 0 0 no-hold", id="a word more"),
    ],
)
def test_encode_state(state: State, words: tuple[str, ...], expected: bytes) -> None:
    assert encode_state(state, *words) == expected


def test_no_data_is_no_record() -> None:
    assert encode_data(b"") == b""


def test_data_of_several_records() -> None:
    data = bytes(MAX_LENGTH) + b"rest"

    assert encode_data(data) == encode(DATA, data[:MAX_LENGTH]) + encode(DATA, b"rest")


@given(
    st.lists(st.tuples(st.builds(State, NUMBERS, NUMBERS, NUMBERS), st.binary(max_size=300))),
    st.lists(st.integers(0, 500), max_size=9),
)
def test_any_cut_reads_the_same(parts: list[tuple[State, bytes]], cuts: list[int]) -> None:
    body = b"".join(encode_state(state) + encode_data(data) for state, data in parts)
    body += encode_state(State(), "word")
    read = records.Records()
    at = 0
    for cut in [*sorted(cuts), len(body)]:
        read.feed(body[at:cut])
        at = max(at, cut)

    assert read.states == [
        *(records.State(*state) for state, _ in parts),
        records.State(0, 0, 0, ("word",)),
    ]
    assert read.data == b"".join(data for _, data in parts)
    assert read.is_complete
