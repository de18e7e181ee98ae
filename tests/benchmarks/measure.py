"""What processes have used: CPU time, memory, threads."""

from __future__ import annotations

import statistics
import sys
import time
import typing as t

import psutil

Find = t.Callable[[], t.Iterable[psutil.Process]]

_LINUX = sys.platform.startswith("linux")


class Lost(Exception):
    """A process has ended, and the CPU time it had used cannot be known any more."""


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process, user and system, with its ended threads.

    :raise Lost: It has ended.
    """
    try:
        if _LINUX:
            # The clock of another process, as clock_getcpuclockid(3) names it: in nanoseconds,
            # whereas /proc has hundredths of a second.
            return time.clock_gettime((~process.pid << 3) | 2)
        times = process.cpu_times()
        return float(times.user + times.system)
    except (OSError, psutil.Error) as e:
        raise Lost(f"process {process.pid} has ended") from e


class Cpu:
    """The CPU time that processes use from now on."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._before = {process: cpu_seconds(process) for process in find()}

    def used(self) -> float:
        """Return the seconds so far, with those of processes that have begun since.

        :raise Lost: One has ended since.
        """
        after = {process: cpu_seconds(process) for process in self._find()}
        ended = [process.pid for process in self._before.keys() - after.keys()]
        if ended:
            raise Lost(f"processes {ended} have ended in the middle")
        return sum(seconds - self._before.get(p, 0.0) for p, seconds in after.items())


class Memory(t.NamedTuple):
    """Memory and threads of processes at one moment.

    :ivar pss: Bytes of memory, pages that processes share counted once.
    :ivar rss: Bytes of memory of each process.
    """

    pss: int
    rss: dict[int, int]
    threads: int

    @classmethod
    def now(cls, processes: t.Iterable[psutil.Process]) -> Memory:
        pss, rss, threads = 0, {}, 0
        for process in processes:
            full = process.memory_full_info()
            pss += getattr(full, "pss", full.uss)
            rss[process.pid] = full.rss
            threads += process.num_threads()
        return cls(pss, rss, threads)


def peaks(processes: t.Iterable[psutil.Process]) -> dict[int, int]:
    """Return the most memory, in bytes, that each process has had since :func:`reset_peaks`."""
    found = {}
    for process in processes:
        with open(f"/proc/{process.pid}/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        found[process.pid] = int(lines["VmHWM"].split()[0]) * 1024
    return found


def reset_peaks(processes: t.Iterable[psutil.Process]) -> None:
    """Let the peak of each process be what it has now (proc(5), ``clear_refs``)."""
    for process in processes:
        with open(f"/proc/{process.pid}/clear_refs", "w") as file:
            file.write("5")


def quantile(values: t.Sequence[float], share: float) -> float:
    """Return the value that this share of the values doesn't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: t.Sequence[float]) -> float:
    return statistics.median(values)
