from __future__ import annotations

import http.client
import io
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.bodies import ChunkedBody, LengthBody, UnboundedBody
from fluxsync.sansio.http1 import (
    MAX_HEAD,
    MAX_INTERIM,
    Head,
    HeadReader,
    parse_head,
    request_head,
    response_body,
)

CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=20)


def test_request_head() -> None:
    fields = [("Host", "h"), ("X-A", "\xe9\u2713"), ("x-a", "")]

    assert request_head("GET", "/a%2F?b=|", fields) == (
        b"GET /a%2F?b=| HTTP/1.1\r\nHost: h\r\nX-A: \xe9?\r\nx-a: \r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        pytest.param("GE T", "/", [], id="space in the method"),
        pytest.param("", "/", [], id="no method"),
        pytest.param("GET", "", [], id="no target"),
        pytest.param("GET", "/a b", [], id="space in the target"),
        pytest.param("GET", "/\r\nX: y", [], id="line break in the target"),
        pytest.param("GET", "/\xe9", [], id="target over 0x7f"),
        pytest.param("GET", "/", [("A", "b\r\nC: d")], id="line break in a value"),
        pytest.param("GET", "/", [("A", "b\nC: d")], id="LF in a value"),
        pytest.param("GET", "/", [("A", "b\r")], id="CR in a value"),
        pytest.param("GET", "/", [("A", "\0")], id="NUL in a value"),
        pytest.param("GET", "/", [("A\r\nB", "c")], id="line break in a name"),
        pytest.param("GET", "/", [("A ", "b")], id="space in a name"),
        pytest.param("GET", "/", [("", "b")], id="no name"),
    ],
)
def test_request_that_would_be_another(
    method: str, target: str, fields: list[tuple[str, str]]
) -> None:
    with pytest.raises(ValueError, match="malformed"):
        request_head(method, target, fields)


@given(st.text(), st.text(), st.lists(st.tuples(st.text(), st.text())))
def test_a_request_is_one_request(method: str, target: str, fields: list[tuple[str, str]]) -> None:
    try:
        head = request_head(method, target, fields)
    except ValueError:
        return
    first, *lines = head.split(b"\r\n")
    assert len(first.split(b" ")) == 3
    assert [line.partition(b":")[0].decode() for line in lines] == [
        *(name for name, _ in fields),
        "",
        "",
    ]


def test_head() -> None:
    head = parse_head(b"HTTP/1.1 200 All right\r\nServer:x\r\nX-A: \t1 2 \t\r\nx-a: \xe9\r\nEmpty:")

    assert head == Head(
        200,
        "All right",
        [("Server", "x"), ("X-A", "1 2"), ("x-a", "\xe9"), ("Empty", "")],
        {"server": "x", "x-a": "1 2, \xe9", "empty": ""},
        True,
    )


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200", 200, ""),
        (b"HTTP/1.1 200 ", 200, ""),
        (b"HTTP/1.0 999 Odd \xe9", 999, "Odd \xe9"),
    ],
)
def test_status_line(line: bytes, status: int, reason: str) -> None:
    assert parse_head(line)[:2] == (status, reason)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "status line", id="nothing"),
        pytest.param(b"HTTP/2 200 OK", "status line", id="HTTP/2"),
        pytest.param(b"HTTP/1.1  200 OK", "status line", id="two spaces"),
        pytest.param(b"HTTP/1.1 20 OK", "status line", id="two digits"),
        pytest.param(b"HTTP/1.1 099 OK", "status line", id="status below 100"),
        pytest.param(b"HTTP/1.1 2000 OK", "status line", id="four digits"),
        pytest.param(b"HTTP/1.1 200\tOK", "status line", id="tab"),
        pytest.param(b"HTTP/1.1 200 O\nK", "status line", id="LF in the reason"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA", "field is 'A'", id="no colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\n c", "field is ' c'", id="folded"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA : b", "field", id="space before the colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\n: b", "field", id="no name"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA\xe9: b", "field", id="name over 0x7f"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\nC: d", "field", id="LF"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\rC: d", "field", id="CR"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: \0", "field", id="NUL"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nA: b", "field is ''", id="empty line"),
    ],
)
def test_head_that_is_none(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_head(data)


@pytest.mark.parametrize(
    ("version", "fields", "expected"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"\r\nConnection: Keep-Alive, X-A", True),
        (b"1.1", b"\r\nConnection: x-a, Close", False),
        (b"1.1", b"\r\nConnection: x-a\r\nconnection: close", False),
        (b"1.0", b"", False),
        (b"1.0", b"\r\nConnection: keep-alive", True),
        (b"1.1", b"\r\nTransfer-Encoding: chunked", True),
        (b"1.1", b"\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", False),
        (b"1.0", b"\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive", False),
    ],
)
def test_connection_after_the_response(version: bytes, fields: bytes, expected: bool) -> None:
    assert parse_head(b"HTTP/%b 200 OK%b" % (version, fields)).keeps_alive is expected


def feed(data: bytes, cuts: t.Sequence[int] = ()) -> tuple[Head | None, bytes] | str:
    """Return the head and what follows it, or what's wrong."""
    reader, position, number = HeadReader(), 0, 0
    while position < len(data):
        size = cuts[min(number, len(cuts) - 1)] if cuts else len(data)
        try:
            head = reader.feed(data[position : position + size])
        except ValueError as e:
            return str(e)
        position, number = position + size, number + 1
        if head is not None:
            return head, reader.rest + data[position:]
    return None, reader.rest


OK = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


def test_reader() -> None:
    reader = HeadReader()
    started = [reader.started]

    assert reader.feed(OK[:10]) is None
    assert [*started, reader.started] == [False, True]
    assert reader.feed(OK[10:] + b"body") == parse_head(OK[:-4])
    assert reader.rest == b"body"


def test_interim_responses_are_skipped() -> None:
    for cuts in ((), (1,), (5,)):
        assert feed(HINTS * MAX_INTERIM + OK + b"body", cuts) == (parse_head(OK[:-4]), b"body")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(HINTS * (MAX_INTERIM + 1), "more than 32 interim responses", id="flood"),
        pytest.param(b"HTTP/1.1 101 X\r\n\r\n", "101, which nobody asked for", id="101"),
        pytest.param(OK[:-2] + b"A: " + b"x" * MAX_HEAD, "the head is longer", id="endless"),
        pytest.param(
            OK[:-2] + b"A: " + b"x" * MAX_HEAD + b"\r\n\r\n", "the head is longer", id="long"
        ),
    ],
)
def test_answer_that_is_none(data: bytes, message: str) -> None:
    for cuts in ((), (1000,), (7,)):
        assert message in feed(data, cuts)


def test_longest_head() -> None:
    data = OK[:-2] + b"B: " + b"x" * (MAX_HEAD - len(OK) - 1) + b"\r\n\r\n"
    assert data.index(b"\r\n\r\n") == MAX_HEAD

    for cuts in ((), (1000,)):
        assert feed(data, cuts) == (parse_head(data[:-4]), b"")


WIRE = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 103 X",
            b"\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b"A: b",
            b"Connection: close",
            b"Content-Length: 5",
            *(b"\n", b"\r", b" ", b":", b"\t", b"\xe9", b"x"),
        ]
    )
).map(b"".join)


@given(WIRE, CUTS)
def test_any_cutting_gives_the_same(data: bytes, cuts: list[int]) -> None:
    assert feed(data, cuts) == feed(data)


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@given(WIRE)
def test_what_is_taken_is_what_others_read(data: bytes) -> None:
    """An independent reader, which is more lenient, finds the same."""
    result = feed(data)
    if isinstance(result, str) or result[0] is None or b"103" in data:
        return
    head = result[0]
    response = http.client.HTTPResponse(t.cast(t.Any, _Socket(data)))
    response.begin()

    assert (response.status, response.reason) == (head.status, head.reason.strip())
    assert response.getheaders() == head.fields
    assert response.will_close is not (head.keeps_alive and "content-length" in head.named)


@pytest.mark.parametrize(
    ("fields", "method", "kind", "left"),
    [
        pytest.param(b"\r\nContent-Length: 5", "GET", LengthBody, 5, id="length"),
        pytest.param(b"\r\nTransfer-Encoding: Chunked", "GET", ChunkedBody, 0, id="chunked"),
        pytest.param(
            b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", "GET", ChunkedBody, 0, id="both"
        ),
        pytest.param(b"", "GET", UnboundedBody, None, id="neither"),
        pytest.param(b"\r\nContent-Length: 5", "HEAD", LengthBody, 0, id="HEAD"),
        pytest.param(b"\r\nTransfer-Encoding: chunked", "HEAD", LengthBody, 0, id="chunked HEAD"),
    ],
)
def test_body(fields: bytes, method: str, kind: type, left: int | None) -> None:
    body = response_body(parse_head(b"HTTP/1.1 200 OK" + fields), method)

    assert type(body) is kind
    assert getattr(body, "left", None) == left


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_a_body(status: int) -> None:
    body = response_body(parse_head(b"HTTP/1.1 %d X\r\nContent-Length: 5" % status), "GET")

    assert body.complete


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "fields",
    [
        b"\r\nContent-Length: 5\r\nContent-Length: 6",
        b"\r\nContent-Length: 5, 5",
        b"\r\nContent-Length: x",
        b"\r\nTransfer-Encoding: gzip, chunked",
        b"\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)
def test_body_without_a_certain_end(fields: bytes, method: str) -> None:
    with pytest.raises(ValueError, match=r"Content-Length|transfer coding"):
        response_body(parse_head(b"HTTP/1.1 200 OK" + fields), method)
