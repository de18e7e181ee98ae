from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import http1
from fluxsync.sansio.relayed import Context, Head, error_response, response_head

CONTEXT = Context("id-1", "POST", "/_stcore/upload_file/a", "/sub", ("example.com",))
#: What ends every head.
LAST = "X-Request-Id: id-1\r\nConnection: close\r\n\r\n"


def relayed(head: str, context: Context = CONTEXT) -> Head:
    return response_head(http1.parse_head(head.encode("latin-1")), context)


def test_context_survives_json() -> None:
    assert Context.from_json(json.loads(json.dumps(dataclasses.asdict(CONTEXT)))) == CONTEXT


@pytest.mark.parametrize(
    ("head", "expected", "length"),
    [
        pytest.param(
            "HTTP/1.1 200 OK\r\nContent-Length: 5",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
            5,
            id="length",
        ),
        pytest.param(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\nContent-Length: 5",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
            None,
            id="chunks",
        ),
        pytest.param("HTTP/1.0 200 OK", "HTTP/1.1 200 OK\r\n", None, id="until the end"),
        pytest.param("HTTP/1.1 204 No Content", "HTTP/1.1 204 No Content\r\n", 0, id="204"),
        pytest.param(
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked",
            "HTTP/1.1 204 No Content\r\n",
            0,
            id="204 with chunks",
        ),
        pytest.param(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n",
            0,
            id="304",
        ),
        pytest.param(
            "HTTP/1.1 200\r\nContent-Length: 0",
            "HTTP/1.1 200 Unknown\r\nContent-Length: 0\r\n",
            0,
            id="no reason",
        ),
        pytest.param(
            "HTTP/1.1 200 OK\r\nServer: x\r\nDate: Sat, 21 Nov 2026 06:26:20 GMT\r\n"
            "Connection: close, X-Own\r\nX-Own: 1\r\nKeep-Alive: 5\r\nContent-Length: 0",
            "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 06:26:20 GMT\r\nContent-Length: 0\r\n",
            0,
            id="of this hop only",
        ),
        pytest.param(
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
            "Location: http://example.com/there?a=b\r\nLink: </a>\r\nlink: </b>",
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
            "Location: ../../there?a=b\r\nLink: </a>\r\nlink: </b>\r\n",
            0,
            id="redirect",
        ),
        pytest.param(
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://elsewhere.example/",
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://elsewhere.example/\r\n",
            0,
            id="redirect elsewhere",
        ),
        pytest.param(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=b; Path=/sub\r\n"
            "Set-Cookie: c=d\r\n",
            0,
            id="cookies",
        ),
        pytest.param(
            "HTTP/1.1 200 \xfcber\r\nContent-Length: 0\r\nX-Name: \xe9",
            "HTTP/1.1 200 \xfcber\r\nContent-Length: 0\r\nX-Name: \xe9\r\n",
            0,
            id="latin-1",
        ),
    ],
)
def test_response_head(head: str, expected: str, length: int | None) -> None:
    got = relayed(head)

    assert got.data == (expected + LAST).encode("latin-1")
    assert (got.status, got.length) == (int(head[9:12]), length)


def test_request_id_of_streamlits() -> None:
    """There's one, as in responses that the gateway sends."""
    got = relayed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-request-id: own")

    assert http1.parse_head(got.data[:-4]).named["x-request-id"] == "own"


def test_answer_to_head_has_no_body() -> None:
    context = dataclasses.replace(CONTEXT, method="HEAD")
    got = relayed("HTTP/1.1 200 OK\r\nContent-Length: 5", context)

    assert got.length == 0
    assert b"\r\nContent-Length: 5\r\n" in got.data


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_length_beside_a_transfer_coding(method: str) -> None:
    fields = "Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked"
    got = relayed(f"HTTP/1.1 200 OK\r\n{fields}", dataclasses.replace(CONTEXT, method=method))

    assert b"Content-Length" not in got.data
    assert (b"Transfer-Encoding: chunked" in got.data) is (method == "GET")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("Content-Length: 5\r\nContent-Length: 6", id="two lengths"),
        pytest.param("Content-Length: -5", id="negative"),
        pytest.param("Transfer-Encoding: gzip, chunked", id="coding"),
    ],
)
def test_body_without_a_certain_end(fields: str) -> None:
    with pytest.raises(ValueError, match=r"Content-Length|transfer coding"):
        relayed(f"HTTP/1.1 200 OK\r\n{fields}")


names = st.sampled_from(
    ["Content-Length", "Transfer-Encoding", "Connection", "Date", "Location", "Set-Cookie", "X-A"]
)
values = st.sampled_from(["5", "chunked", "close", "x-a", "/there", "a=b; Path=/", "\xe9"])


@given(
    st.integers(200, 999),
    st.lists(st.tuples(names, values)),
    st.sampled_from(["GET", "HEAD", "POST"]),
)
def test_any_head_is_one_or_refused(
    status: int, fields: list[tuple[str, str]], method: str
) -> None:
    """The client finds the body's end where the relay does, and nothing comes behind it."""
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in fields)]
    context = dataclasses.replace(CONTEXT, method=method)
    try:
        got = relayed("\r\n".join(lines), context)
    except ValueError:
        return
    assert got.data.endswith(b"\r\n\r\n")
    again = http1.parse_head(got.data[:-4])
    assert not again.keeps_alive
    assert http1.response_body(again, method).complete is (got.length == 0)
    assert again.named["x-request-id"] == "id-1"
    if got.length:
        assert again.named["content-length"] == str(got.length)


def test_error_response() -> None:
    raw = error_response(503, "Service Unavailable", "zu groß", ["Retry-After: 10"])
    head, _, body = raw.partition(b"\r\n\r\n")
    parsed = http1.parse_head(head)

    assert (parsed.status, parsed.reason) == (503, "Service Unavailable")
    assert parsed.fields == [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Retry-After", "10"),
        ("Connection", "close"),
    ]
    assert body.decode() == "zu groß\n"
