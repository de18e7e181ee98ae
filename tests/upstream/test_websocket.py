from __future__ import annotations

import contextlib

import pytest

from fluxsync.exceptions import (
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from fluxsync.sansio.http1 import MAX_HEAD
from fluxsync.upstream.websocket import MAX_REFUSAL, Opened, Refused, open_websocket
from tests.support import frames
from tests.support.http import Stream
from tests.support.upstream import FakeStreamlit
from tests.upstream.conftest import Serve, answering

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = [
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Protocol", "streamlit, token"),
    ("Origin", "https://app.example"),
]
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def opened(
    address: tuple[str, int], connect: float | None = 20.0, answer: float | None = 20.0
) -> Opened | Refused:
    return open_websocket(
        address,
        "/_stcore/stream?a=b",
        "app.example",
        HEADERS,
        connect_timeout=connect,
        open_timeout=answer,
    )


@pytest.fixture
def address(upstream: FakeStreamlit) -> tuple[str, int]:
    return ("127.0.0.1", upstream.port)


@pytest.mark.parametrize("timeout", [20.0, None])
def test_opened(address: tuple[str, int], upstream: FakeStreamlit, timeout: float | None) -> None:
    result = opened(address, timeout, timeout)

    assert isinstance(result, Opened)
    with result.socket as sock:
        assert sock.gettimeout() is None
        sock.sendall(frames.text("hello").encode(b"mask"))
        assert frames.read_frame(Stream(sock)) == frames.text("hello")
    [request] = upstream.requests
    assert request.target == "/_stcore/stream?a=b"
    assert request.get("Host") == "app.example"
    assert ("Sec-WebSocket-Protocol", "streamlit") in result.answer.headers


def test_what_comes_right_behind_the_answer_is_not_lost(
    address: tuple[str, int], upstream: FakeStreamlit
) -> None:
    upstream.greeting = frames.text("welcome").encode()

    result = opened(address)

    assert isinstance(result, Opened)
    with result.socket as sock:
        stream = Stream(sock)
        stream.buffer = result.early
        assert frames.read_frame(stream) == frames.text("welcome")


def test_answer_in_pieces(serve: Serve) -> None:
    def trickle(stream: Stream) -> None:
        stream.read_until(b"\r\n\r\n")
        for i in range(len(SWITCH)):
            stream.sock.sendall(SWITCH[i : i + 1])

    result = opened(serve(trickle))

    assert isinstance(result, Opened)
    result.socket.close()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(b"Content-Length: 4\r\n\r\nnope", b"nope", id="body"),
        pytest.param(b"Content-Length: 4\r\n\r\nnope and more", b"nope", id="more than said"),
        pytest.param(b"Content-Length: 9\r\n\r\nnope", b"nope", id="less than said"),
        pytest.param(b"\r\n", b"", id="no length"),
        pytest.param(b"Content-Length: \xb2\r\n\r\nno", b"", id="length that is none"),
        pytest.param(
            b"Content-Length: 99999999\r\n\r\n" + b"x" * 100_000, b"x" * MAX_REFUSAL, id="too long"
        ),
    ],
)
def test_refused(serve: Serve, answer: bytes, body: bytes) -> None:
    result = opened(serve(answering(b"HTTP/1.1 403 Forbidden\r\n" + answer)))

    assert isinstance(result, Refused)
    assert (result.answer.status, result.answer.reason) == (403, "Forbidden")
    assert result.body == body


def test_refusal_whose_body_does_not_come(serve: Serve) -> None:
    def stall(stream: Stream) -> None:
        stream.read_until(b"\r\n\r\n")
        stream.sock.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nnope")
        stream.fill()  # until the client gives up

    result = None
    for limit in (0.2, 2.0, 20.0):
        # It's for the head, too, which is late on a busy machine.
        with contextlib.suppress(UpstreamTimeout):
            result = opened(serve(stall), answer=limit)
            break

    assert isinstance(result, Refused)
    assert result.body == b"nope"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        pytest.param(b"", "closed the connection within the handshake", id="end"),
        pytest.param(b"HTTP/1.1 101 X\r\n", "within the handshake", id="end within the head"),
        pytest.param(b"SSH-2.0\r\n\r\n", "the status line is 'SSH-2.0'", id="another protocol"),
        pytest.param(b"HTTP/1.1 101 X\r\n\r\n", "does not answer the key", id="no key"),
        pytest.param(b"x" * (MAX_HEAD + 16_385), "too long", id="endless head"),
    ],
)
def test_answer_that_is_none(serve: Serve, answer: bytes, complaint: str) -> None:
    with pytest.raises(UpstreamProtocolError, match=complaint):
        opened(serve(answering(answer)))


def test_reset(serve: Serve) -> None:
    def reset(stream: Stream) -> None:
        stream.sock.recv(1)  # the rest is unread, so closing resets

    with pytest.raises(UpstreamProtocolError, match="broke off"):
        opened(serve(reset))


def test_nobody_there(refused: tuple[str, int]) -> None:
    with pytest.raises(UpstreamUnavailable, match=f"no connection to 127.0.0.1:{refused[1]}"):
        opened(refused)


def test_no_connection_in_time(full: tuple[str, int]) -> None:
    with pytest.raises(UpstreamTimeout, match="gateway_upstream_connect_timeout_s"):
        opened(full, connect=0.05)


def test_no_answer_in_time(silent: tuple[str, int]) -> None:
    with pytest.raises(UpstreamTimeout, match="gateway_ws_open_timeout_s"):
        opened(silent, answer=0.05)


def test_time_is_for_the_whole_answer(serve: Serve) -> None:
    """A head that never ends isn't kept alive by each of its bytes."""

    def endless(stream: Stream) -> None:
        stream.read_until(b"\r\n\r\n")
        stream.sock.settimeout(0.02)
        for _ in range(500):
            stream.sock.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                stream.sock.recv(1)

    with pytest.raises(UpstreamTimeout):
        opened(serve(endless), answer=0.2)
