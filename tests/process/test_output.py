from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.process.output import LINES_PER_SECOND, MAX_LINE, MAX_REMEMBERED, Output


def read(*pieces: bytes) -> list[str]:
    """Return the lines of a process that prints these pieces, and ends."""
    output = Output()
    return [line for piece in (*pieces, b"") for line in output.feed(piece, 1.0)]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        pytest.param([b"a\nb\n"], ["a", "b"], id="lines"),
        pytest.param([b"a", b"b\nc"], ["ab", "c"], id="pieces"),
        pytest.param([b"\n \n\r\n"], [], id="empty lines"),
        pytest.param([b"a\r\nb\r\n"], ["a", "b"], id="other line ends"),
        pytest.param([b"10 %\r", b"20 %\r30 %", b"\rdone\n"], ["done"], id="progress bar"),
        pytest.param([b"10 %\r", b"done\n"], ["done"], id="in pieces"),
        pytest.param([b"10 %\r", b"100 %\r"], ["100 %"], id="to its end"),
        pytest.param([b"\xff\x00\x1b[31m\n"], ["\ufffd\\x00\\x1b[31m"], id="binary"),
        pytest.param([b"password=x\n"], ["password=***"], id="secret"),
        pytest.param([b"a\tb\n"], ["a\tb"], id="tab"),
    ],
)
def test_lines(pieces: list[bytes], lines: list[str]) -> None:
    assert read(*pieces) == lines


@given(st.lists(st.text("ab\n"), max_size=20))
def test_pieces_make_no_difference(pieces: list[str]) -> None:
    """However they come, they are the lines of the whole."""
    whole = "".join(pieces)

    assert read(*(piece.encode() for piece in pieces if piece)) == whole.split()


def test_ten_megabytes_without_an_end() -> None:
    """It's one line, and what is kept of it meanwhile is small."""
    output = Output()
    for _ in range(160):
        assert output.feed(b"x" * 65536, 1.0) == []
        assert len(output._rest) < 2 * MAX_LINE

    (line, after) = output.feed(b"x\nafter\n", 1.0)
    assert line == "x" * MAX_LINE + " (cut)"
    assert after == "after"
    assert list(map(len, output.last_lines)) == [MAX_REMEMBERED, 5]


def test_secret_that_is_cut() -> None:
    """What is left of it isn't shown."""
    (line,) = read(b"x" * (MAX_LINE - 20) + b" token=abcdefghijklmnop\n")

    assert line.endswith("x token=*** (cut)")


def test_hundred_thousand_lines_a_second() -> None:
    """Some are logged, the last ones remembered, and it's said how many are missing."""
    output = Output()
    numbers = itertools.count()
    logged = []
    for _ in range(100):
        data = b"".join(b"line %d\n" % next(numbers) for _ in range(1000))
        logged += output.feed(data, 5.0)

    assert logged == [f"line {number}" for number in range(LINES_PER_SECOND)]
    assert output.last_lines == [f"line {number}" for number in range(99_980, 100_000)]
    assert output.take_omitted(5.9) == 0
    assert output.take_omitted(6.0) == 99_000
    assert output.take_omitted(6.0) == 0
    assert output.feed(b"again\n", 6.0) == ["again"]
