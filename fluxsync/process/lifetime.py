"""How long a supervisor lives: as long as somebody needs it, and no longer."""

from __future__ import annotations

import os
import select
import time

#: Seconds that workers without a master may still take. gunicorn's notice within 1 s.
ORPHANS = 2.0
#: Seconds in which whoever started the supervisor has to say what it's for.
FIRST_WORD = 15.0


def start_time(pid: int) -> str:
    """Return what tells a process from a later one with the same number.

    Field 22 of ``/proc/<pid>/stat`` (proc(5)): its start in clock ticks after boot. It's
    ``""`` if there's no such process, or none that still runs, or no ``/proc``.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (OSError, IndexError):
        return ""


class Anchor:
    """The process whose end is the server's end.

    :param pid: Its number.
    :param start: Its :func:`start_time`, which tells it from a later one.
    """

    def __init__(self, pid: int, start: str | None = None) -> None:
        self.pid = pid
        self.start = start_time(pid) if start is None else start
        self._pidfd: int | None = None

    def watch(self) -> int | None:
        """Return a descriptor that becomes readable at its end, if the system has such."""
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            return None  # no Linux, or a container that forbids it: is_alive() is asked
        if self.start and start_time(self.pid) != self.start:
            self.close()  # it has ended already, and its number may be somebody else's
        return self._pidfd

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie doesn't."""
        if self._pidfd is not None:
            poller = select.poll()
            poller.register(self._pidfd, select.POLLIN)
            return not poller.poll(0)
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return not self.start or start_time(self.pid) == self.start

    def close(self) -> None:
        """Close the descriptor."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


class Lifetime:
    """Decides when a supervisor has to go."""

    def __init__(self, anchor: Anchor) -> None:
        self.anchor = anchor
        self._began = time.monotonic()
        self._anchor_ended: float | None = None
        self._alone_since: float | None = None

    def is_over(self, *, wanted: bool, connections: int, linger: float | None = None) -> bool:
        """Whether nobody needs the supervisor any more.

        :param wanted: Whether anybody has said what it's for.
        :param connections: Number of connected workers.
        :param linger: Seconds that it stays without any; ``None`` is as long as the anchor.
        """
        now = time.monotonic()
        if connections:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        if not self.anchor.is_alive():
            if self._anchor_ended is None:
                self._anchor_ended = now
            return not connections or now - self._anchor_ended > ORPHANS
        if wanted and linger is not None and self._alone_since is not None:
            return now - self._alone_since > linger
        return not wanted and now - self._began > FIRST_WORD


class Ending:
    """Decides when a supervisor that has to go has waited long enough.

    :param goodbye: Seconds that browsers get to take note of the end.
    :param grace: Seconds that uploads and downloads get to end.
    """

    def __init__(self, goodbye: float, grace: float) -> None:
        now = time.monotonic()
        self._goodbye, self._grace = now + goodbye, now + max(goodbye, grace)
        #: Whether the end has come.
        self.is_over = False

    def has_come(self, *, sessions: bool, transfers: bool) -> bool:
        """Whether nobody is to be waited for any more; once it has come, it's there.

        :param sessions: Whether WebSockets are open.
        :param transfers: Whether uploads or downloads go on.
        """
        now = time.monotonic()
        waiting = (sessions and now < self._goodbye) or (transfers and now < self._grace)
        self.is_over = self.is_over or not waiting
        return self.is_over
