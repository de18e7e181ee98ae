"""WebSocket frames as bytes, for the fake Streamlit and the raw client."""

from __future__ import annotations

import base64
import hashlib
import os
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from tests.support.http import Stream

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True)
class Frame:
    """One frame; ``first`` is its first byte: FIN, reserved bits, and the opcode."""

    first: int
    payload: bytes = b""
    masked: bool = False

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def fin(self) -> bool:
        return bool(self.first & 0x80)

    @property
    def close_code(self) -> int:
        """Code of a close frame; 1005 when it has none."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else 1005

    @property
    def close_reason(self) -> str:
        return self.payload[2:].decode()

    def encode(self, mask: bytes | None = None) -> bytes:
        """Return the frame's bytes.

        :param mask: Four bytes; ``None`` for a frame of a server.
        """
        size = len(self.payload)
        bit = 0 if mask is None else 0x80
        if size < 126:
            head = bytes([self.first, bit | size])
        elif size < 1 << 16:
            head = bytes([self.first, bit | 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([self.first, bit | 127]) + size.to_bytes(8, "big")
        return head + (self.payload if mask is None else mask + xor(self.payload, mask))


def xor(payload: bytes, mask: bytes) -> bytes:
    """Apply a mask, or take it away."""
    pieces = []
    for start in range(0, len(payload), 1 << 20):
        piece = payload[start : start + (1 << 20)]
        key = (mask * (len(piece) // 4 + 1))[: len(piece)]
        number = int.from_bytes(piece, "big") ^ int.from_bytes(key, "big")
        pieces.append(number.to_bytes(len(piece), "big"))
    return b"".join(pieces)


def text(payload: str) -> Frame:
    return Frame(0x80 | TEXT, payload.encode())


def binary(payload: bytes) -> Frame:
    return Frame(0x80 | BINARY, payload)


def close(code: int | None = 1000, reason: str = "") -> Frame:
    """Return a close frame; ``None`` for one without a code."""
    payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    return Frame(0x80 | CLOSE, payload)


def read_frame(stream: Stream) -> Frame | None:
    """Return the next frame, ``None`` when the stream ends; its end in a frame is an error."""
    if not stream.buffer and not stream.fill():
        return None
    first, second = stream.read(2)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
    if second & 0x80:
        mask = stream.read(4)
        return Frame(first, xor(stream.read(size), mask), masked=True)
    return Frame(first, stream.read(size))


def accept_key(key: str) -> str:
    """Return the answer to ``Sec-WebSocket-Key``."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def new_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()
