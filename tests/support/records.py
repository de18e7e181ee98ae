"""What the responses of a tunnel are made of, as a test reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class State:
    """A STATE record."""

    offset: int
    received: int
    total: int
    words: tuple[str, ...] = ()


class Records:
    """Takes a response's body apart, in whatever pieces it comes."""

    def __init__(self) -> None:
        self.states: list[State] = []
        #: Pieces of Streamlit's stream, and their positions.
        self.pieces: list[tuple[int, bytes]] = []
        self._left = b""
        self._at = 0
        #: Bytes of the current DATA record that are still to come.
        self._open = 0

    def feed(self, piece: bytes) -> None:
        self._left += piece
        while self._left:
            if self._open:
                data, self._left = self._left[: self._open], self._left[self._open :]
                self.pieces.append((self._at, data))
                self._at += len(data)
                self._open -= len(data)
                continue
            end = 4 + int.from_bytes(self._left[1:4], "big")
            if len(self._left) >= 4 and self._left[0] == 1:
                self._open, self._left = end - 4, self._left[4:]
                continue
            if len(self._left) < max(4, end):
                return
            kind, payload, self._left = self._left[0], self._left[4:end], self._left[end:]
            assert kind == 0, f"a record of type {kind}"
            first, second, third, *words = payload.decode().split(" ")
            self.states.append(State(int(first), int(second), int(third), tuple(words)))
            self._at = int(first)

    @property
    def data(self) -> bytes:
        """What has come of Streamlit's stream."""
        return b"".join(data for _, data in self.pieces)

    @property
    def is_complete(self) -> bool:
        """Whether it ends with the end of a record."""
        return not self._left and not self._open
