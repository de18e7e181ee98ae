"""Places for some, and a line for those who wait for one. No I/O, no clock, no threads."""

from __future__ import annotations

import collections
import enum
import typing as t

TicketT = t.TypeVar("TicketT")


class Outcome(enum.Enum):
    """What becomes of somebody who comes."""

    ADMITTED = enum.auto()
    QUEUED = enum.auto()
    REFUSED = enum.auto()


class Queue(t.Generic[TicketT]):
    """So many places, and a line of limited length; first come, first served.

    Not thread-safe.

    :param places: How many may be in.
    :param length: How many may wait.
    """

    def __init__(self, places: int, length: int) -> None:
        self._places = places
        self._length = length
        self._taken = 0
        self._waiting: collections.deque[TicketT] = collections.deque()

    def enter(self, ticket: TicketT) -> Outcome:
        """Give somebody a place, or a place in the line.

        :param ticket: By which they're known while they wait.
        """
        if self._taken < self._places:
            self._taken += 1
            return Outcome.ADMITTED
        if len(self._waiting) >= self._length:
            return Outcome.REFUSED
        self._waiting.append(ticket)
        return Outcome.QUEUED

    def leave(self) -> TicketT | None:
        """Give a place back; return who has it now."""
        if self._waiting:
            return self._waiting.popleft()
        self._taken -= 1
        return None

    def give_up(self, ticket: TicketT) -> bool:
        """Leave the line; return whether it was the line. Else they have a place by now."""
        try:
            self._waiting.remove(ticket)
        except ValueError:
            return False
        return True
