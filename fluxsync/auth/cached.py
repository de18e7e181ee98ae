"""What is fetched from somebody else when it's needed, and kept for a while."""

from __future__ import annotations

import logging
import threading
import time
import typing as t

from ..exceptions import ProviderError

T = t.TypeVar("T")

logger = logging.getLogger("fluxsync.auth")

#: Seconds for which a value is as good as new, and for which it's better than none.
LIFESPAN, STALE = 300.0, 3600.0
#: Least seconds between two fetches, failed ones included: clients can have values asked for.
COOLDOWN = 10.0


class Cached(t.Generic[T]):
    """A value that one thread at a time fetches, while others go on with the one that is there.

    Thread-safe.

    :param fetch: Returns it, or raises :exc:`~fluxsync.exceptions.ProviderError`.
    :param clock: Monotonic time in seconds.
    """

    def __init__(
        self, fetch: t.Callable[[], T], clock: t.Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[T, float] | None = None
        self._tried: float | None = None
        self._error: ProviderError | None = None

    def get(self, but: T | None = None) -> T:
        """Return the value.

        :param but: One that won't do: there may be a newer one. It's returned all the same if
            it has just been fetched.
        :raise ProviderError: There's none.
        """
        held, age = self._held, 0.0
        if held is not None:
            age = self._clock() - held[1]
            if held[0] is not but and age < LIFESPAN:
                return held[0]
        needed = held is None or held[0] is but or age >= STALE
        if not self._lock.acquire(blocking=needed):
            assert held is not None
            return held[0]  # another thread is at it
        try:
            if self._held is not held and self._held is not None:
                return self._held[0]  # while this one waited
            return self._refresh(held, needed)
        finally:
            self._lock.release()

    def _refresh(self, held: tuple[T, float] | None, needed: bool) -> T:
        assert self._lock.locked()
        now = self._clock()
        if self._tried is None or now - self._tried >= COOLDOWN:
            self._tried = now
            try:
                value = self._fetch()
            except ProviderError as e:
                logger.warning("%s", e)
                self._error = e
            else:
                self._error = None
                self._held = (value, now)
                return value
        if held is not None and not (needed and self._error):
            return held[0]
        assert self._error is not None
        raise type(self._error)(*self._error.args)  # each thread its own, with its traceback
