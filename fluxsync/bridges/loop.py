"""One thread that serves many connections."""

from __future__ import annotations

import collections
import contextlib
import heapq
import itertools
import logging
import socket
import threading
import time
import typing as t

from .polling import READ, Connection, Poller, Watched, make_poller

logger = logging.getLogger("fluxsync.relay")

#: What one read takes at most. Large frames pass in few system calls.
_READ_SIZE = 256 * 1024
#: So many entries of the agenda may be of no use any more before they're looked for.
_SPARE = 256


class Task(t.Protocol):
    """A connection, or a pair of them, that the loop serves."""

    def check(self, now: float) -> float | None:
        """Do what is due, and return when to look again; ``None`` is never."""

    def fail(self, reason: str) -> None:
        """End at once."""


class Loop:
    """Runs calls, events and deadlines in a thread of its own.

    The thread starts with the first call, never before a fork. :meth:`call` and :meth:`stop`
    may be called from any thread, everything else from the loop's only.

    :param name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._calls: collections.deque[t.Callable[[], None]] = collections.deque()
        self._thread: threading.Thread | None = None
        self._wake: tuple[socket.socket, socket.socket]
        self._poller: Poller
        self._stopped = self._ended = False
        #: When to look at which task; the numbers keep equal times apart.
        self._agenda: list[tuple[float, int, Task]] = []
        self._numbers = itertools.count()
        #: Everything that is open.
        self.tasks: set[Task] = set()
        #: The time of this round, on the monotonic clock.
        self.now = 0.0
        #: What reads go into; it's good until the next one.
        self.buffer = memoryview(bytearray(_READ_SIZE))

    def call(self, call: t.Callable[[], None]) -> None:
        """Have the loop's thread call something; once it has ended, nothing is called."""
        with self._lock:
            if self._ended:
                return
            if self._thread is None:
                self._start()
            self._calls.append(call)
            with contextlib.suppress(OSError):  # full: it has enough reasons to wake up
                self._wake[1].send(b"x")

    def stop(self, timeout: float | None = None) -> None:
        """End the thread, and all tasks.

        :param timeout: Seconds to wait for the thread; ``None`` is no limit.
        """
        thread = self._thread
        if thread is not None:
            self.call(self._stop)
            thread.join(timeout)

    def _start(self) -> None:
        assert self._lock.locked()
        self._poller = make_poller()
        self._wake = socket.socketpair()
        for end in self._wake:
            end.setblocking(False)
        self._poller.watch(self._wake[0], 0, READ, self)
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there are as many as there may be
            self._close()
            raise
        self._thread = thread

    def _close(self) -> None:
        self._poller.close()
        for end in self._wake:
            end.close()

    # From here on: the loop's thread.

    def add(self, task: Task) -> None:
        """Take a task up."""
        self.tasks.add(task)
        self.look(task)

    def remove(self, task: Task) -> None:
        """Forget a task that is over."""
        self.tasks.discard(task)

    def look(self, task: Task) -> None:
        """Look at a task now, and again when it says so."""
        when = task.check(self.now)
        if when is not None and task in self.tasks:
            # An earlier entry may be there: to look once too often does no harm.
            heapq.heappush(self._agenda, (when, next(self._numbers), task))
            if len(self._agenda) > _SPARE + 4 * len(self.tasks):
                self._tidy()

    def _tidy(self) -> None:
        """Forget tasks that are over, and all but the first look at each of the others."""
        first: dict[Task, tuple[float, int, Task]] = {}
        for entry in sorted(self._agenda, key=lambda entry: entry[:2]):
            if entry[2] in self.tasks:
                first.setdefault(entry[2], entry)
        # In order, hence a heap.
        self._agenda = list(first.values())

    def watch(self, sock: Connection, before: int, events: int, watched: Watched) -> None:
        """Wait for other events on a socket; see :meth:`Poller.watch`."""
        self._poller.watch(sock, before, events, watched)

    def on_events(self, events: int) -> None:
        """Run the calls that came."""
        with contextlib.suppress(BlockingIOError):
            self._wake[0].recv(4096)
        self._run_calls()

    def _run_calls(self) -> None:
        while self._calls:
            try:
                self._calls.popleft()()
            except Exception:
                # One connection's trouble must not end all others.
                logger.exception("relay call failed")

    def fail(self, reason: str) -> None:
        """Go on: calls have failed one by one."""

    def _run(self) -> None:
        poll, watched = self._poller.poll, self._poller.watched
        self.now = time.monotonic()
        while not self._stopped:
            events = poll(self._timeout())
            self.now = time.monotonic()
            for number, bits in events:
                handler = watched.get(number)
                if handler is None:
                    continue  # ended by an earlier event of this round
                try:
                    handler.on_events(bits)
                except Exception:
                    logger.exception("relay failed")
                    self._end(handler, "internal error")
            if self._agenda and self._agenda[0][0] <= self.now:
                self._look_at_due()
        with self._lock:
            self._ended = True
        # What came meanwhile brought sockets along, which are closed below.
        self._run_calls()
        for task in tuple(self.tasks):
            self._end(task, "stopped")
        self._close()

    def _end(self, ending: Watched | Task, reason: str) -> None:
        try:
            ending.fail(reason)
        except Exception:
            # As above: the others go on.
            logger.exception("relay failed to end a connection")

    def _stop(self) -> None:
        self._stopped = True

    def _timeout(self) -> float | None:
        if not self._agenda:
            return None
        return max(0.0, self._agenda[0][0] - time.monotonic())

    def _look_at_due(self) -> None:
        while self._agenda and self._agenda[0][0] <= self.now:
            _, _, task = heapq.heappop(self._agenda)
            if task in self.tasks:
                try:
                    self.look(task)
                except Exception:
                    logger.exception("relay failed")
                    self._end(task, "internal error")
