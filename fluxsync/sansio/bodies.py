"""Bodies of HTTP/1.1 messages as they come off the wire (RFC 9112 6 and 7). No I/O.

Bytes go in as they arrive, and what belongs to the body comes out. However a stream is cut
into pieces, the result is the same: what came before a mistake is given out, and the mistake
is in :attr:`Body.error` afterwards.
"""

from __future__ import annotations

import re
import typing as t

#: Longest line with a chunk's size, that of the last one together with the trailer section.
#: Trailers go no further.
MAX_TRAILER = 8 * 1024

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_TRAILER = re.compile(rb"(?:[^\x00-\x20\x7f:]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")


class Body(t.Protocol):
    """Where a body ends, as far as that is known by now."""

    #: Whether all of it was there.
    complete: bool
    #: Why it never will be, or ``""``.
    error: str
    #: What came behind the body. It belongs to nobody: there was one request only.
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """Take what has arrived, and return what of it belongs to the body."""

    def end(self) -> None:
        """Take note that nothing more will arrive."""


class LengthBody:
    """A body of known length."""

    __slots__ = ("complete", "error", "left", "rest")

    def __init__(self, length: int) -> None:
        #: Bytes that are still to come.
        self.left = length
        self.complete = not length
        self.error = ""
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take what has arrived, and return what of it belongs to the body."""
        left = self.left
        if len(data) < left:
            self.left = left - len(data)
            return data
        self.left, self.complete = 0, True
        if len(data) > left:
            data, self.rest = data[:left], self.rest + data[left:]
        return data

    def end(self) -> None:
        """Take note that nothing more will arrive."""
        if self.left:
            self.error = f"{self.left} bytes before its end"


class UnboundedBody:
    """A body that ends with the connection."""

    __slots__ = ("complete", "error", "rest")

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take what has arrived: all of it belongs to the body."""
        return data

    def end(self) -> None:
        """Take note that nothing more will arrive."""
        self.complete = True


class ChunkedBody:
    """A body in chunks.

    Its raw state is in :attr:`left` and :attr:`held`: whoever goes on reading the connection
    instead continues with these.
    """

    __slots__ = ("_within", "complete", "error", "held", "left", "rest")

    def __init__(self) -> None:
        #: Bytes that are still to come of the current chunk's data.
        self.left = 0
        #: What has arrived and can't be understood yet: a part of a line.
        self.held = b""
        self.complete = False
        self.error = ""
        self.rest = b""
        #: Whether the line break behind a chunk's data is still to come.
        self._within = False

    def feed(self, data: bytes) -> bytes:
        """Take what has arrived, and return what of it belongs to the body."""
        if len(data) <= self.left:  # nothing but a part of a large chunk
            self.left -= len(data)
            return data
        data, self.held = self.held + data, b""
        pieces = []
        position = 0
        while position < len(data) and not (self.complete or self.error):
            if self.left:
                piece = data[position : position + self.left]
                pieces.append(piece)
                self.left -= len(piece)
                position += len(piece)
                continue
            after = self._line(data, position)
            if after == position:
                break
            position = after
        if self.complete:
            self.rest += data[position:]
        elif not self.error:
            self.held = data[position:]
        return b"".join(pieces)

    def end(self) -> None:
        """Take note that nothing more will arrive."""
        if not self.complete:
            self.error = self.error or "before its last chunk"

    def _line(self, data: bytes, position: int) -> int:
        """Take what stands between the chunks' data.

        :return: Where it ends; ``position`` itself if that isn't there yet.
        """
        if self._within:
            if len(data) == position + 1 and data.endswith(b"\r"):
                return position
            if not data.startswith(b"\r\n", position):
                self.error = "where a chunk is longer than its size"
                return position
            self._within = False
            return position + 2
        size = _SIZE.match(data, position, position + MAX_TRAILER)
        if size is None:
            if b"\n" in data[position:] or len(data) - position >= MAX_TRAILER:
                self.error = "where a chunk's size should be"
            return position
        self.left = int(size[1], 16)
        if self.left:
            self._within = True
            return size.end()
        return self._trailer(data, position, size.end())

    def _trailer(self, data: bytes, position: int, start: int) -> int:
        """Take the trailer section, together with the line of the last chunk before it."""
        end = data.find(b"\r\n\r\n", start - 2, position + MAX_TRAILER)
        if end < 0:
            if len(data) - position >= MAX_TRAILER:
                self.error = "where its trailer section is too long"
            return position
        if _TRAILER.fullmatch(data, start, end + 2) is None:
            self.error = "where its trailer section is malformed"
            return position
        self.complete = True
        return end + 4
