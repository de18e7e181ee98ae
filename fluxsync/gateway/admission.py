"""How many requests one worker process has at once, and who waits for a place."""

from __future__ import annotations

import os
import threading
import typing as t

from ..sansio.queueing import Outcome, Queue
from ..telemetry.access import BUSY
from ..telemetry.wrapping import WrappingBody
from .errors import Failure

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import FluxSyncSettings

#: Seconds after which a refused client may come again.
_RETRY_AFTER = 1


class Place:
    """A place that a request has until somebody calls :meth:`leave`."""

    def __init__(self, line: _Line) -> None:
        self._line: _Line | None = line

    def leave(self) -> None:
        """Give it back; the second time, that does nothing."""
        line, self._line = self._line, None
        if line is not None:
            line.leave()


class Places:
    """The places for one kind of requests.

    Thread-safe, and safe to be made before a fork.

    :param most: How many there are.
    :param queue: How many requests may wait for one.
    :param timeout: How many seconds they wait.
    :param name: The setting that says how many there are.
    """

    def __init__(self, most: int, queue: int, timeout: float, name: str) -> None:
        self._most = most
        self._queue = queue
        self._timeout = timeout
        self._name = name
        # By process: after a fork, nobody is in. And before it, gevent has yet to patch locks.
        self._lines: dict[int, _Line] = {}

    def take(self) -> Place:
        """Return a place, maybe after having waited for it.

        :raise Failure: There's none.
        """
        pid = os.getpid()
        line = self._lines.get(pid)
        if line is None:
            # Threads may make one each; the first stays.
            line = self._lines.setdefault(pid, _Line(self._most, self._queue))
        if not line.enter(self._timeout):
            raise Failure(
                503,
                f"this process has {self._most} requests of this kind already ({self._name})",
                [("Retry-After", str(_RETRY_AFTER))],
                kind=BUSY,
            )
        return Place(line)


def find_places(settings: FluxSyncSettings, name: str) -> Places | None:
    """Return the places that a setting speaks of, or ``None`` if there's no limit."""
    most = getattr(settings, name)
    if not most:
        return None
    return Places(most, settings.gateway_queue_size, settings.gateway_queue_timeout_s, name)


class _Line:
    """Those who are in, and those who wait, in one process."""

    def __init__(self, most: int, queue: int) -> None:
        self._lock = threading.Lock()
        self._queue: Queue[threading.Event] = Queue(most, queue)

    def enter(self, timeout: float) -> bool:
        """Take a place, or wait for one; whether that was granted."""
        turn = threading.Event()
        with self._lock:
            outcome = self._queue.enter(turn)
        if outcome is not Outcome.QUEUED:
            return outcome is Outcome.ADMITTED
        try:
            if turn.wait(timeout):
                return True
        except BaseException:  # the server ends this worker, or this greenlet
            if not self._give_up(turn):
                self.leave()
            raise
        return not self._give_up(turn)

    def _give_up(self, turn: threading.Event) -> bool:
        with self._lock:
            return self._queue.give_up(turn)

    def leave(self) -> None:
        """Give a place to whoever is first in line."""
        with self._lock:
            turn = self._queue.leave()
        if turn is not None:
            turn.set()


class PlacedBody(WrappingBody):
    """A response's body whose request has its place until the body is closed."""

    def __init__(self, body: Iterable[bytes], place: Place) -> None:
        super().__init__(body)
        self._place = place

    def _end(self) -> None:
        self._place.leave()
