"""Where WebSocket frames begin and end (RFC 6455 5.2). No I/O.

The relay passes bytes, not messages. It follows the frame headers only, to know when it
may put a frame of its own between two others, and what a connection said when it closed.
"""

from __future__ import annotations

import struct

from . import closecodes

OP_CONTINUATION, OP_TEXT, OP_BINARY = 0x0, 0x1, 0x2
OP_CLOSE, OP_PING, OP_PONG = 0x8, 0x9, 0xA

_FIN = 0x80
_MASKED = 0x80
_CONTROL_LIMIT = 125


def close_frame(close: closecodes.Close, mask: bytes | None = None) -> bytes:
    """Return a close frame.

    :param mask: Masking key, 4 bytes; frames to a server must have one (RFC 6455 5.1).
    """
    payload = closecodes.encode(close)
    head = bytes((_FIN | OP_CLOSE, len(payload) | (_MASKED if mask else 0)))
    return head + (mask + apply_mask(payload, mask) if mask else payload)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask or unmask a payload (RFC 6455 5.3)."""
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class FrameTracker:
    """Follow one direction of a WebSocket.

    Not thread-safe: it belongs to whoever relays the direction.
    """

    __slots__ = ("_close", "_head", "_left", "_mask", "_opcode", "bytes", "close", "messages")

    def __init__(self) -> None:
        #: Bytes of the frame header that is being collected.
        self._head = bytearray()
        #: Payload bytes of the current frame that are still to come.
        self._left = 0
        self._opcode = OP_CONTINUATION
        self._mask: bytes | None = None
        self._close: bytearray | None = None
        #: All bytes seen.
        self.bytes = 0
        #: Data messages that began.
        self.messages = 0
        #: What the close frame said, once it has passed.
        self.close: closecodes.Close | None = None

    @property
    def at_boundary(self) -> bool:
        """Whether a frame may be put in here."""
        return not self._head and not self._left

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Follow bytes that were relayed, however they were cut."""
        view = memoryview(data)
        self.bytes += len(view)
        while view:
            view = self._payload(view) if self._left else self._header(view)

    def _payload(self, view: memoryview) -> memoryview:
        taken = min(self._left, len(view))
        if self._close is not None:
            self._close += view[:taken]
        self._left -= taken
        if not self._left:
            self._end_of_frame()
        return view[taken:]

    def _header(self, view: memoryview) -> memoryview:
        head = self._head
        # A frame's first two bytes say how long its header is: 2 to 14 bytes.
        missing = (2 if len(head) < 2 else _header_length(head[1])) - len(head)
        head += view[:missing]
        view = view[missing:]
        if len(head) >= 2 and len(head) == _header_length(head[1]):
            self._start_of_frame(bytes(head))
            head.clear()
        return view

    def _start_of_frame(self, head: bytes) -> None:
        self._opcode = head[0] & 0x0F
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack_from("!H", head, 2)
        elif size == 127:
            (size,) = struct.unpack_from("!Q", head, 2)
        self._left = size
        self._mask = head[-4:] if head[1] & _MASKED else None
        if self._opcode in (OP_TEXT, OP_BINARY):
            self.messages += 1
        self._close = bytearray() if self._opcode == OP_CLOSE and size <= _CONTROL_LIMIT else None
        if not size:
            self._end_of_frame()

    def _end_of_frame(self) -> None:
        if self._close is not None:
            payload = bytes(self._close)
            if self._mask:
                payload = apply_mask(payload, self._mask)
            self.close = closecodes.decode(payload)
            self._close = None


def _header_length(second: int) -> int:
    size = second & 0x7F
    extended = 2 if size == 126 else 8 if size == 127 else 0
    return 2 + extended + (4 if second & _MASKED else 0)
