from __future__ import annotations

import http.client
import io
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.bodies import MAX_TRAILER, Body, ChunkedBody, LengthBody, UnboundedBody

#: A body's content, whether it's complete, whether it's wrong, and what follows it.
Result = tuple[bytes, bool, bool, bytes]
#: Lengths of the pieces into which a stream is cut; the last one is repeated.
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=20)


def read(body: Body, data: bytes, cuts: t.Sequence[int] = (), *, end: bool = False) -> Result:
    content, position, number = b"", 0, 0
    while position < len(data):
        size = cuts[min(number, len(cuts) - 1)] if cuts else len(data)
        content += body.feed(data[position : position + size])
        position, number = position + size, number + 1
    if end:
        body.end()
    return content, body.complete, bool(body.error), body.rest


@pytest.mark.parametrize(
    ("length", "data", "expected"),
    [
        pytest.param(0, b"", (b"", True, False, b""), id="empty"),
        pytest.param(3, b"abc", (b"abc", True, False, b""), id="exact"),
        pytest.param(3, b"abcde", (b"abc", True, False, b"de"), id="more"),
        pytest.param(0, b"de", (b"", True, False, b"de"), id="nothing wanted"),
        pytest.param(3, b"ab", (b"ab", False, True, b""), id="less"),
    ],
)
def test_length(length: int, data: bytes, expected: Result) -> None:
    assert read(LengthBody(length), data, end=True) == expected


def test_missing_bytes_are_counted() -> None:
    body = LengthBody(10)
    read(body, b"abc", end=True)

    assert body.left == 7
    assert body.error == "7 bytes before its end"


def test_unbounded() -> None:
    body = UnboundedBody()

    assert read(body, b"abc") == (b"abc", False, False, b"")
    body.end()
    assert body.complete


@pytest.mark.parametrize(
    ("data", "content", "rest"),
    [
        pytest.param(b"0\r\n\r\n", b"", b"", id="empty"),
        pytest.param(b"3\r\nabc\r\n0\r\n\r\n", b"abc", b"", id="one chunk"),
        pytest.param(b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc", b"", id="two"),
        pytest.param(b"A\r\n0123456789\r\n00\r\n\r\n", b"0123456789", b"", id="hexadecimal"),
        pytest.param(b"1;a=b\r\na\r\n0;c\r\n\r\n", b"a", b"", id="extensions"),
        pytest.param(b"1 \r\na\r\n0  \r\n\r\n", b"a", b"", id="padding"),
        pytest.param(b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", b"", id="line break as data"),
        pytest.param(b"0\r\nA: b\r\nC: d\r\n\r\n", b"", b"", id="trailers"),
        pytest.param(b"0\r\n\r\nHTTP/1.1", b"", b"HTTP/1.1", id="more behind"),
        pytest.param(b"0;" + b"x" * 1000 + b"\r\n\r\n", b"", b"", id="long extension"),
    ],
)
def test_chunked(data: bytes, content: bytes, rest: bytes) -> None:
    for cuts in ((), (1,), (2,), (3,)):
        assert read(ChunkedBody(), data, cuts, end=True) == (content, True, False, rest)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(b"x\r\n", id="no size"),
        pytest.param(b"-1\r\n", id="sign"),
        pytest.param(b"0x1\r\n", id="prefix"),
        pytest.param(b" 1\r\n", id="space before"),
        pytest.param(b"\r\n", id="no digits"),
        pytest.param(b"1" * 16 + b"\r\n", id="too large"),
        pytest.param(b"1\na\r\n", id="LF only"),
        pytest.param(b"1;a\nb\r\na\r\n", id="LF in an extension"),
        pytest.param(b"1;" + b"x" * MAX_TRAILER, id="endless extension"),
        pytest.param(b"1;" + b"x" * MAX_TRAILER + b"\r\n", id="long extension"),
        pytest.param(b"0\r\nA: b\nC: d\r\n\r\n", id="LF in a trailer"),
        pytest.param(b"0\r\n A: b\r\n\r\n", id="folded trailer"),
        pytest.param(b"0\r\nA\r\n\r\n", id="trailer without a colon"),
        pytest.param(b"0\r\nA: " + b"x" * MAX_TRAILER + b"\r\n\r\n", id="long trailer"),
        pytest.param(b"0\r\nA: " + b"x" * MAX_TRAILER, id="endless trailer"),
    ],
)
def test_chunked_that_is_wrong(end: bytes) -> None:
    """What came before is good, however it was cut."""
    for cuts in ((), (1,), (7,)):
        assert read(ChunkedBody(), b"3\r\nabc\r\n" + end, cuts)[:3] == (b"abc", False, True)


@pytest.mark.parametrize("data", [b"1\r\nabc\r\n", b"1\r\na\nb\r\n", b"1\r\na\rb"])
def test_chunk_longer_than_its_size(data: bytes) -> None:
    assert read(ChunkedBody(), data)[:3] == (b"a", False, True)


def test_nothing_is_taken_after_a_mistake() -> None:
    body = ChunkedBody()

    assert body.feed(b"1\r\naX") == b"a"
    assert body.feed(b"1\r\nb\r\n0\r\n\r\n") == b""
    assert (body.complete, body.error) == (False, "where a chunk is longer than its size")


@pytest.mark.parametrize("data", [b"", b"3", b"3\r\nab", b"3\r\nabc", b"3\r\nabc\r\n", b"0\r\n\r"])
def test_chunked_that_breaks_off(data: bytes) -> None:
    assert read(ChunkedBody(), data, end=True)[1:3] == (False, True)


def test_state_to_go_on_with() -> None:
    body = ChunkedBody()

    assert body.feed(b"10\r\nabc") == b"abc"
    assert (body.left, body.held) == (13, b"")
    body.feed(b"x" * 13 + b"\r\n1")
    assert (body.left, body.held) == (0, b"1")


CHUNKS = st.lists(st.binary(min_size=1, max_size=50), max_size=5)
EXTENSIONS = st.sampled_from([b"", b";a=b", b' ;c="d"', b"  "])


@given(CHUNKS, EXTENSIONS, st.sampled_from([b"", b"A: b\r\n"]), CUTS, st.binary(max_size=20))
def test_any_cutting_gives_the_same(
    chunks: list[bytes], extension: bytes, trailer: bytes, cuts: list[int], rest: bytes
) -> None:
    lines = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    data = b"".join(lines) + b"0\r\n" + trailer + b"\r\n"

    assert read(ChunkedBody(), data + rest, cuts) == (b"".join(chunks), True, False, rest)


WIRE = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"\r", b"0", b"1", b"3", b"a", b";", b" ", b":", b"abc"])
).map(b"".join)


@given(WIRE, CUTS, st.booleans())
def test_any_cutting_of_anything_gives_the_same(data: bytes, cuts: list[int], end: bool) -> None:
    whole = read(ChunkedBody(), data, end=end)

    assert read(ChunkedBody(), data, cuts, end=end) == whole
    assert not (whole[1] and whole[2])


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@given(WIRE)
def test_what_is_taken_is_what_others_read(data: bytes) -> None:
    """An independent reader, which is more lenient, finds the same content."""
    content, complete, _, _ = read(ChunkedBody(), data)
    if not complete:
        return
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = http.client.HTTPResponse(t.cast(t.Any, _Socket(head + data)))
    response.begin()

    assert response.read() == content
