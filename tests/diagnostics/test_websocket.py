"""Servers that take a handshake and spoil what follows; a good one is in tests/hosting."""

from __future__ import annotations

import re
import socket
import typing as t

import pytest

from fluxsync.diagnostics import websocket
from fluxsync.diagnostics.client import Client, Options
from fluxsync.diagnostics.observations import Trouble
from fluxsync.sansio import closecodes, frames, handshake
from tests.diagnostics.conftest import Serve, read_head

GREETING = frames.text_frame(b"fluxsync")
PROTOCOL = "Sec-WebSocket-Protocol: streamlit\r\n"
PONG = b"\x8a\x06doctor"


def switching(
    after: bytes = b"",
    *,
    fields: str = PROTOCOL,
    key: str = "",
    pong: bytes = PONG,
    more: bytes = b"",
) -> t.Callable[[socket.socket], None]:
    """Return what answers 101, sends something, answers a ping, and ends."""

    def handle(client: socket.socket) -> None:
        request = read_head(client).decode()
        found = re.search(r"Sec-WebSocket-Key: (\S+)", request)
        assert found
        accept = handshake.accept_key(key or found[1])
        client.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n".encode()
            + after
        )
        if after and client.recv(65536):
            client.sendall(pong + more)
            if not more and pong:
                client.recv(65536)  # the close frame, or the end

    return handle


@pytest.mark.parametrize(
    ("server", "fault", "greeted", "ponged"),
    [
        (switching(key="a"), "Sec-WebSocket-Accept does not answer the key", False, False),
        (switching(fields=""), "Sec-WebSocket-Protocol is missing", False, False),
        (switching(), "", False, False),
        (switching(frames.text_frame(b"other")), "", False, False),
        (switching(GREETING, pong=b""), "", True, False),
        (switching(GREETING), "", True, True),
        (switching(frames.ping_frame(b"x") + GREETING), "", True, True),
    ],
)
def test_after_101(
    serve: Serve,
    server: t.Callable[[socket.socket], None],
    fault: str,
    greeted: bool,
    ponged: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "_SHORTLY", 1.0)
    found = websocket.watch(Client(Options(patience=0.1)), serve(server).under("_stcore/stream"))

    assert found.answer.status == 101
    assert (found.fault, found.greeted, found.ponged) == (fault, greeted, ponged)
    assert not found.cut


@pytest.mark.parametrize(
    "more", [frames.close_frame(closecodes.Close(1001, "")), b"\x82\x7e\x01"], ids=["close", "cut"]
)
def test_cut(serve: Serve, more: bytes) -> None:
    found = websocket.watch(Client(Options(patience=20)), serve(switching(GREETING, more=more)))

    assert found.works
    assert found.cut
    assert found.held < 20


def test_large_frame_is_skipped(serve: Serve) -> None:
    large = b"\x82\x7e\x04\x00" + bytes(1024)

    found = websocket.watch(Client(Options(patience=0.1)), serve(switching(large + GREETING)))

    assert found.works


@pytest.mark.parametrize(
    ("data", "status", "body", "trouble"),
    [
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", 403, b"no", None),
        (b"HTTP/1.1 200 OK\r\n\r\npage", 200, b"page", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\npa", 200, b"pa", None),
        (b"", 0, b"", Trouble.BROKEN),
        (b"hello\r\n\r\n", 0, b"", Trouble.NOT_HTTP),
    ],
)
def test_refusal(
    serve: Serve, data: bytes, status: int, body: bytes, trouble: Trouble | None
) -> None:
    def handle(client: socket.socket) -> None:
        assert b"?fluxsync=greet HTTP/1.1" in read_head(client)
        client.sendall(data)

    found = websocket.watch(Client(Options()), serve(handle).under("_stcore/stream"))

    assert (found.answer.status, found.answer.body, found.answer.trouble) == (status, body, trouble)
    assert not found.works
