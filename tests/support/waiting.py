"""Wait for a condition, never for a time."""

from __future__ import annotations

import os
import time
import typing as t

T = t.TypeVar("T")

# A slow machine sets a larger factor; a deadline is never part of what is tested.
FACTOR = float(os.environ.get("FLUXSYNC_TESTS_TIMEOUT_FACTOR", "1"))
MS = 0.001 * FACTOR


class Deadline:
    """One time limit for several waits in a row, in seconds."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds * FACTOR

    def remaining(self) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        return self.remaining() == 0.0


def eventually(
    predicate: t.Callable[[], T | None], timeout: float = 30.0, what: object = "the condition"
) -> T:
    """Return the predicate's first true value; fail when the time is over.

    :param what: Says in the failure what did not happen; a callable is called then.
    """
    deadline = Deadline(timeout)
    while True:
        value = predicate()
        if value:
            return value
        if deadline.expired:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {timeout} s: {text}; last value: {value!r}")
        time.sleep(min(20 * MS, deadline.remaining()))
