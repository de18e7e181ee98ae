"""How long a sender may keep somebody waiting. No I/O, no clock."""

from __future__ import annotations


class Pace:
    """What is left of somebody's patience with a sender.

    Waiting uses it up, and what arrives gives it back: all of it at once, or, if there's a least
    rate, as many seconds as that much should have taken. So over any longer time, a sender has to
    keep up with the rate, and may still pause.

    :param patience: Seconds at the beginning, and at most.
    :param rate: Bytes per second; 0 is no least rate.
    """

    __slots__ = ("_most", "_rate", "left")

    def __init__(self, patience: float, rate: float) -> None:
        self._most = patience
        self._rate = rate
        #: Seconds that may be waited for what comes next; at its end with none.
        self.left = patience

    def came(self, count: int, waited: float) -> None:
        """Take note of so many bytes that came after so many seconds."""
        earned = count / self._rate if self._rate else self._most
        self.left = min(self._most, self.left - waited + earned)
