"""Where WebSocket frames begin and end, and whether they are legal (RFC 6455 5). No I/O.

The relay passes bytes, not messages. It follows the frame headers only: to stop what is
illegal or too big, to know when it may put a frame of its own between two others, and what a
connection said when it closed. What is in the payloads (UTF-8, compression, the codes of close
frames) is the endpoints' business.
"""

from __future__ import annotations

from . import closecodes

OP_CONTINUATION, OP_TEXT, OP_BINARY = 0x0, 0x1, 0x2
OP_CLOSE, OP_PING, OP_PONG = 0x8, 0x9, 0xA

#: The reserved bits of a frame's first byte, which extensions give a meaning.
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10

_FIN = 0x80
_RESERVED = RSV1 | RSV2 | RSV3
_MASKED = 0x80
_CONTROL_LIMIT = 125
#: More than the sum of all lengths that a stream can have.
_UNLIMITED = 1 << 64

# What a frame's first byte makes of it: all of a message, or its first, a middle or its last
# frame, or a control frame.
_ILLEGAL, _WHOLE, _FIRST, _MIDDLE, _LAST, _CONTROL, _CLOSE = range(7)
#: Nothing may follow.
_OVER = bytes(256)


def _kinds(reserved_bits: int, *, in_message: bool) -> bytes:
    """Return what each first byte makes of a frame, between or within messages."""
    # RFC 7692 6: permessage-deflate's bit is for the first frame of a message only.
    elsewhere = 0 if reserved_bits == RSV1 else reserved_bits
    kinds = bytearray(256)
    for first in range(256):
        final, reserved, opcode = first & _FIN, first & _RESERVED, first & 0x0F
        if opcode in (OP_TEXT, OP_BINARY) and not in_message and not reserved & ~reserved_bits:
            kinds[first] = _WHOLE if final else _FIRST
        elif reserved & ~elsewhere:
            continue
        elif opcode == OP_CONTINUATION and in_message:
            kinds[first] = _LAST if final else _MIDDLE
        elif opcode in (OP_CLOSE, OP_PING, OP_PONG) and final:
            kinds[first] = _CLOSE if opcode == OP_CLOSE else _CONTROL
    return bytes(kinds)


#: For each set of reserved bits, the first bytes between messages and within them.
_KINDS = {
    bits: (_kinds(bits, in_message=False), _kinds(bits, in_message=True))
    for bits in range(0, _RESERVED + 1, RSV3)
}


def close_frame(close: closecodes.Close, mask: bytes | None = None) -> bytes:
    """Return a close frame.

    :param mask: Masking key, 4 bytes; frames to a server must have one (RFC 6455 5.1).
    """
    payload = closecodes.encode(close)
    head = bytes((_FIN | OP_CLOSE, len(payload) | (_MASKED if mask else 0)))
    return head + (mask + apply_mask(payload, mask) if mask else payload)


def ping_frame(payload: bytes = b"", mask: bytes | None = None) -> bytes:
    """Return a ping.

    :param payload: 125 bytes at most.
    :param mask: Masking key, as for :func:`close_frame`.
    """
    head = bytes((_FIN | OP_PING, len(payload) | (_MASKED if mask else 0)))
    return head + (mask + apply_mask(payload, mask) if mask else payload)


def text_frame(payload: bytes) -> bytes:
    """Return a message for a client.

    :param payload: 125 bytes at most.
    """
    return bytes((_FIN | OP_TEXT, len(payload))) + payload


def pong_frame(payload: bytes, mask: bytes) -> bytes:
    """Return the answer to a server's ping.

    :param payload: The ping's.
    :param mask: Masking key, 4 bytes.
    """
    head = bytes((_FIN | OP_PONG, _MASKED | len(payload)))
    return head + mask + apply_mask(payload, mask)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask or unmask a payload (RFC 6455 5.3)."""
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def allowed_reserved_bits(extensions: str) -> int:
    """Return the reserved bits that frames may have set.

    :param extensions: What the server's ``Sec-WebSocket-Extensions`` fields agreed to.
    """
    names = {item.partition(";")[0].strip().lower() for item in extensions.split(",")} - {""}
    if not names:
        return 0
    # Whoever negotiates another extension knows what its bits mean; we don't.
    return RSV1 if names == {"permessage-deflate"} else _RESERVED


class FrameTracker:
    """Follow one direction of a WebSocket, and say how much of it may pass.

    Only legal bytes pass, whatever pieces they come in. So the header of a frame passes when it
    is complete, and a close frame when all of it is there (125 bytes at most). What is
    incomplete in this sense is in :attr:`held`, and comes again in front of the next data::

        held = tracker.held                 # usually empty
        buffer[: len(held)] = held
        size = len(held) + sock.recv_into(buffer[len(held) :])
        passed = tracker.feed(buffer[:size])
        other.send(buffer[:passed])         # usually all of it
        if tracker.violation: ...

    Not thread-safe: it belongs to whoever relays the direction.
    """

    __slots__ = (
        "_between",
        "_header_size",
        "_kinds",
        "_left",
        "_limit",
        "_masking",
        "_max_frame",
        "_max_message",
        "_message",
        "_within",
        "bytes",
        "close",
        "held",
        "messages",
        "violation",
    )

    def __init__(
        self, *, masked: bool, reserved_bits: int = 0, max_frame: int = 0, max_message: int = 0
    ) -> None:
        """
        :param masked: Whether these are a client's frames, which must be masked, while a
            server's must not (RFC 6455 5.1).
        :param reserved_bits: From :func:`allowed_reserved_bits`.
        :param max_frame: Most bytes in a frame's payload; 0 is no limit.
        :param max_message: Most bytes in the payloads of all frames of a message, as they are
            on the wire; 0 is no limit.
        """
        self._masking = _MASKED if masked else 0
        #: Size of the shortest header.
        self._header_size = 6 if masked else 2
        self._between, self._within = _KINDS[reserved_bits]
        #: What each first byte means here.
        self._kinds = self._between
        self._max_frame = max_frame or _UNLIMITED
        self._max_message = max_message or _UNLIMITED
        #: Messages of one frame may have so many bytes.
        self._limit = min(self._max_frame, self._max_message)
        #: Payload bytes of the current frame that are still to come.
        self._left = 0
        #: Payload bytes of the fragments so far.
        self._message = 0
        #: All bytes that have passed.
        self.bytes = 0
        #: Data messages that began.
        self.messages = 0
        #: The end of what was fed last, when it isn't known yet whether it may pass.
        self.held = b""
        #: What the close frame said, once it has passed. Nothing passes behind it: "a peer
        #: discards any further data received" (RFC 6455 1.4).
        self.close: closecodes.Close | None = None
        #: What is wrong with the frame that was not let through. Nothing passes any more.
        self.violation: closecodes.Close | None = None

    @property
    def at_boundary(self) -> bool:
        """Whether a frame may be put in behind what has passed."""
        return not self._left

    @property
    def left(self) -> int:
        """How many payload bytes of the current frame are still to come."""
        return self._left

    @property
    def is_over(self) -> bool:
        """Whether nothing passes any more: there was a close frame, or a violation."""
        return self._kinds is _OVER

    @property
    def in_message(self) -> bool:
        """Whether a message has begun whose last frame hasn't."""
        return self._kinds is self._within

    def feed(self, data: bytes | bytearray | memoryview) -> int:
        """Follow bytes, and return how many of them may pass.

        :param data: What was held, and what came since.
        """
        size = len(data)
        left = self._left
        if left:
            if left >= size:
                # Within the payload of a large frame.
                self._left = left - size
                self.bytes += size
                return size
        elif size > 1 and self._kinds[data[0]] == _WHOLE:
            # Is it a message of up to 64 kB, no more and no less?
            length = size - self._header_size
            second = data[1] ^ self._masking
            if length > 127:
                length -= 2
                whole = second == 126 and data[2] << 8 | data[3] == length
            else:
                whole = second == length <= _CONTROL_LIMIT
            if whole and length <= self._limit:
                self.held = b""
                self.messages += 1
                self.bytes += size
                return size
        return self._walk(data, size)

    def _walk(self, data: bytes | bytearray | memoryview, size: int) -> int:
        """Go from header to header."""
        at = self._left
        while at < size and (end := self._frame(data, at, size)):
            at = end
        passed = min(at, size)
        self._left = at - passed
        self.bytes += passed
        self.held = b"" if passed == size or self.is_over else bytes(data[passed:])
        return passed

    def _frame(self, data: bytes | bytearray | memoryview, at: int, size: int) -> int:
        """Return where the frame ends that begins here; 0 if it may not pass, or not yet."""
        kinds = self._kinds
        if size < at + 2 or kinds is _OVER:
            return 0
        kind = kinds[data[at]]
        length = data[at + 1] ^ self._masking
        if not kind or length > 127 or (kind >= _CONTROL and length > _CONTROL_LIMIT):
            reason = self._what_is_wrong(data[at], length)
            return self._refuse(closecodes.PROTOCOL_ERROR, reason)
        payload = at + self._header_size
        if length > 125:
            shortest, extended = (126, 2) if length == 126 else (1 << 16, 8)
            payload += extended
            if size < at + 2 + extended:
                return 0
            length = int.from_bytes(data[at + 2 : at + 2 + extended], "big")
            if length < shortest:
                reason = "length not in its shortest form"
                return self._refuse(closecodes.PROTOCOL_ERROR, reason)
            if length >> 63:
                return self._refuse(closecodes.PROTOCOL_ERROR, "length of 64 bits")
        if kind <= _LAST:
            message = length + self._message
            if length > self._max_frame:
                reason = f"frame over {self._max_frame} bytes"
                return self._refuse(closecodes.MESSAGE_TOO_BIG, reason)
            if message > self._max_message:
                reason = f"message over {self._max_message} bytes"
                return self._refuse(closecodes.MESSAGE_TOO_BIG, reason)
        end = payload + length
        if size < (end if kind == _CLOSE else payload):
            return 0
        if kind <= _FIRST:
            self.messages += 1
        if kind in (_FIRST, _MIDDLE):
            self._message = message
            self._kinds = self._within
        elif kind == _LAST:
            self._message = 0
            self._kinds = self._between
        elif kind == _CLOSE:
            said = bytes(data[payload:end])
            if self._masking:
                said = apply_mask(said, bytes(data[payload - 4 : payload]))
            self.close = closecodes.decode(said)
            self._kinds = _OVER
        return end

    def _refuse(self, code: int, reason: str) -> int:
        self.violation = closecodes.Close(code, reason)
        self._kinds = _OVER
        return 0

    def _what_is_wrong(self, first: int, length: int) -> str:
        """Say why a frame with these first two bytes, the second unmasked, is illegal."""
        opcode = first & 0x0F
        if opcode not in (OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG):
            return f"reserved opcode {opcode:#x}"
        if length > 127:
            return "unmasked frame" if self._masking else "masked frame"
        if opcode >= OP_CLOSE and not first & _FIN:
            return "fragmented control frame"
        if opcode >= OP_CLOSE and length > _CONTROL_LIMIT:
            return f"control frame over {_CONTROL_LIMIT} bytes"
        if opcode == OP_CONTINUATION and not self.in_message:
            return "continuation without a start"
        if opcode in (OP_TEXT, OP_BINARY) and self.in_message:
            return "new message within a fragmented one"
        return "reserved bit without its extension"
