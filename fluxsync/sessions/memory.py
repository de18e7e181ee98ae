"""Sessions in this process's memory."""

from __future__ import annotations

import collections
import heapq
import time
import typing as t

from ..exceptions import SessionError
from .data import MAX_BYTES
from .store import DEFAULT_TTL, TextStore


class InMemorySessionStore(TextStore):
    """Keeps sessions as long as this process lives, and for this process only.

    :param max_entries: Most sessions; the one that wasn't used for longest goes.
    :param default_ttl_seconds: How long a session is kept that nobody writes to.
    :param max_bytes: Largest session, as JSON.
    :param secret: Signs ids; a random one of this store if it's empty.
    :param clock: Returns seconds, and never fewer than before.
    :raise SessionError: A limit isn't positive.
    """

    def __init__(
        self,
        max_entries: int = 5000,
        default_ttl_seconds: float = DEFAULT_TTL,
        *,
        max_bytes: int = MAX_BYTES,
        secret: str = "",
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(default_ttl_seconds, max_bytes, secret)
        if max_entries < 1:
            raise SessionError(f"max_entries={max_entries!r}: expected at least 1")
        self._max_entries = max_entries
        self._clock = clock
        self._proposed = ""
        #: Text and deadline of each session, the one that was used last at the end.
        self._entries: collections.OrderedDict[str, tuple[str, float]] = collections.OrderedDict()
        #: Deadlines, the first one first; also those of sessions that were written again.
        self._deadlines: list[tuple[float, str]] = []

    def __str__(self) -> str:
        return "memory"

    def __len__(self) -> int:
        with self._lock:
            self._expire()
            return len(self._entries)

    def close(self) -> None:
        """Do nothing: there's nothing but memory."""

    def _read(self, key: str) -> str | None:
        with self._lock:
            self._expire()
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def _write(self, key: str, text: str, ttl: float) -> None:
        with self._lock:
            self._expire()
            deadline = self._clock() + ttl
            self._entries[key] = (text, deadline)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
            heapq.heappush(self._deadlines, (deadline, key))
            # Sessions that are written often leave old deadlines behind.
            if len(self._deadlines) > 2 * len(self._entries) + 64:
                self._deadlines = [(entry[1], key) for key, entry in self._entries.items()]
                heapq.heapify(self._deadlines)

    def _remove(self, key: str) -> bool:
        with self._lock:
            return self._entries.pop(key, None) is not None

    def _keep_key(self, proposed: str) -> str:
        with self._lock:
            self._proposed = self._proposed or proposed
            return self._proposed

    def _expire(self) -> None:
        assert self._lock.locked()
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key = heapq.heappop(self._deadlines)
            if key in self._entries and self._entries[key][1] <= now:
                del self._entries[key]
