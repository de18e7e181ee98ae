"""The two byte streams of a tunnel, over requests that get lost, cut, or answered twice. No I/O.

A tunnel carries the bytes of a WebSocket's frames. As in TCP, positions in a stream are its
sequence numbers, and an acknowledgement says that everything before a position has come. So a
request may be repeated at will: what was had already is known by its position, what is missing
is asked for again, and the transport may change in the middle of a frame.

The page's script has the same two classes (``streams.js``).
"""

from __future__ import annotations


class OutOfWindow(ValueError):
    """A position that this stream hasn't reached yet, or can't go back to."""


class Outgoing:
    """What was sent, and is kept until it's acknowledged.

    :param window: Most bytes that are kept. Whoever appends looks at :attr:`room` first.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._kept = bytearray()
        #: Position up to which everything has come.
        self.acknowledged = 0

    @property
    def total(self) -> int:
        """Length of the stream so far."""
        return self.acknowledged + len(self._kept)

    @property
    def room(self) -> int:
        """How many bytes may be appended."""
        return max(0, self._window - len(self._kept))

    @property
    def kept(self) -> int:
        """How many bytes are kept."""
        return len(self._kept)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Continue the stream."""
        self._kept += data

    def acknowledge(self, position: int) -> None:
        """Forget what has come. One that was overtaken by a later one changes nothing.

        :raise OutOfWindow: So much was never sent.
        """
        if position > self.total:
            raise OutOfWindow(f"{position} of {self.total} bytes can't have come")
        if position > self.acknowledged:
            del self._kept[: position - self.acknowledged]
            self.acknowledged = position

    def read(self, position: int, limit: int) -> bytes:
        """Return what follows a position.

        :param limit: Most bytes.
        :raise OutOfWindow: It was never sent, or isn't kept any more.
        """
        if not self.acknowledged <= position <= self.total:
            raise OutOfWindow(f"{position} is not in {self.acknowledged}..{self.total}")
        start = position - self.acknowledged
        return bytes(self._kept[start : start + limit])


class Incoming:
    """What has come, each byte once and in order."""

    def __init__(self) -> None:
        #: Position up to which everything has come.
        self.received = 0

    def accept(self, position: int, data: bytes, room: int) -> bytes:
        """Return what is new of a piece.

        :param position: Where the piece begins.
        :param room: Most bytes that can be taken now; the sender repeats the others.
        :raise OutOfWindow: Something before it is missing.
        """
        if position > self.received:
            raise OutOfWindow(f"{position - self.received} bytes are missing before {position}")
        fresh = data[self.received - position :][: max(0, room)]
        self.received += len(fresh)
        return fresh
