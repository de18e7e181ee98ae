"""Take a server's pings out of a stream of its frames (RFC 6455 5.5). No I/O.

A page behind a tunnel can't answer a ping in time: its laptop sleeps, or its browser lets
hidden pages run once a minute. So the tunnel's end answers, and pages get to see data and close
frames only.
"""

from __future__ import annotations

from . import frames


class PingFilter:
    """Follows frames that are legal, in whatever pieces they come."""

    def __init__(self) -> None:
        #: The beginning of a frame that may be a ping.
        self._held = b""
        #: Bytes of the current frame that go on.
        self._left = 0

    def feed(self, data: bytes | bytearray | memoryview) -> tuple[bytes, list[bytes]]:
        """Return what goes on, and the payloads of pings to be answered."""
        whole = self._held + bytes(data)
        size = len(whole)
        parts: list[bytes] = []
        pings: list[bytes] = []
        at = 0
        while at < size:
            if self._left:
                end = min(at + self._left, size)
                parts.append(whole[at:end])
                self._left -= end - at
                at = end
                continue
            if size < at + 2:
                break
            opcode, length = whole[at] & 0x0F, whole[at + 1]
            if opcode in (frames.OP_PING, frames.OP_PONG):
                # A control frame has 125 bytes at most.
                end = at + 2 + length
                if size < end:
                    break
                if opcode == frames.OP_PING:
                    pings.append(whole[at + 2 : end])
                at = end
                continue
            extended = {126: 2, 127: 8}.get(length, 0)
            if size < at + 2 + extended:
                break
            if extended:
                length = int.from_bytes(whole[at + 2 : at + 2 + extended], "big")
            self._left = 2 + extended + length
        self._held = whole[at:]
        return b"".join(parts), pings
