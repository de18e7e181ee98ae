"""What a test left behind: threads, child processes, open files.

Servers that several tests share live longer than one test. They register as a
:class:`Service`; what a service owns that was running before the test, or that is
``shared``, is not the test's leak.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import re
import subprocess
import sys
import threading
import typing as t
import weakref

import psutil

from tests.support.waiting import eventually

MARK = "FLUXSYNC_TEST_MARK"
MARKED = re.compile(rb"(?:^|\0)" + MARK.encode() + rb"=([^\0]*)")
PR_SET_CHILD_SUBREAPER = 36

#: Those who wait for a child process, and need its exit status.
_waiting: weakref.WeakSet[subprocess.Popen[t.Any]] = weakref.WeakSet()


class Service:
    """Something that runs beside the tests, in threads or in processes."""

    running: t.ClassVar[set[Service]] = set()
    #: Set by a fixture that hands the service to many tests.
    shared = False
    #: Value of the environment variable that every process of the service carries.
    mark = ""

    def owned_pids(self) -> t.Iterable[int]:
        return ()

    def owned_threads(self) -> t.Iterable[threading.Thread]:
        return ()

    def owned_descriptors(self) -> t.Iterable[int]:
        return ()


def become_subreaper() -> None:
    """Adopt the orphans of our descendants, so that none can hide below init."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def note_who_waits() -> None:
    """Know every :class:`subprocess.Popen` from now on.

    To look for them among all objects takes 0.1 s as soon as Streamlit is imported.
    """
    init = subprocess.Popen.__init__

    @functools.wraps(init)
    def noted(self: subprocess.Popen[t.Any], *args: t.Any, **kwargs: t.Any) -> None:
        _waiting.add(self)
        init(self, *args, **kwargs)

    subprocess.Popen.__init__ = noted  # type: ignore[method-assign]


class Entry(t.NamedTuple):
    """A process in the kernel's table (proc(5))."""

    pid: int
    parent: int
    is_zombie: bool


def process_table() -> list[Entry]:
    """Return all processes; psutil reads as much for the children of a single one."""
    entries = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb", buffering=0) as file:
            # The program's name, in parentheses, may have some as well.
            state, parent, *_ = file.read(512).rpartition(b")")[2].split()
            entries.append(Entry(int(name), int(parent), state in b"ZX"))
    return entries


def mark_of(pid: int) -> str:
    """Return the mark a process was started with, ``""`` when it has none or is gone."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            found = MARKED.search(file.read())
    except OSError:
        return ""
    return found[1].decode() if found else ""


def children(table: t.Iterable[Entry] | None = None) -> set[psutil.Process]:
    """Return our living children; adopted ones that have ended are reaped, as init does.

    :param table: What there is, if the caller knows.
    """
    alive = set()
    ours = [entry for entry in table or process_table() if entry.parent == os.getpid()]
    for entry in ours:
        if not entry.is_zombie:
            with contextlib.suppress(psutil.NoSuchProcess):
                alive.add(psutil.Process(entry.pid))
    ended = {entry.pid for entry in ours if entry.is_zombie}
    if ended:
        # Who has started one waits for it, and would find no exit status.
        for pid in ended - {getattr(popen, "pid", None) for popen in tuple(_waiting)}:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    return alive


def descriptors() -> set[tuple[int, str]]:
    """Return our open file descriptors with what they are."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one of listdir itself
            found.add((int(name), os.readlink(f"/proc/self/fd/{name}")))
    return found


class Snapshot:
    """What existed at one moment, to compare with a later one."""

    def __init__(self) -> None:
        self.services = set(Service.running)
        self.threads = set(threading.enumerate())
        self.children = children()
        self.descriptors = descriptors()

    def leaked(self) -> list[object]:
        """Return what is there now, was not there then, and belongs to no older service."""
        services = {s for s in Service.running if s.shared or s in self.services}
        threads = set(threading.enumerate()) - self.threads
        processes = children() - self.children
        files = descriptors() - self.descriptors
        if not (threads or processes or files):
            return []
        marks = {service.mark for service in services} - {""}
        pids = {pid for service in services for pid in service.owned_pids()}
        owned = {n for service in services for n in service.owned_descriptors()}
        threads -= {thread for service in services for thread in service.owned_threads()}
        threads = {thread for thread in threads if thread.is_alive()}
        processes = {p for p in processes if p.pid not in pids and mark_of(p.pid) not in marks}
        files = {(number, name) for number, name in files if number not in owned}
        return [*threads, *processes, *files]

    def check(self, timeout: float = 20.0) -> None:
        """Fail when something is left; kill what is, so that it disturbs no other test."""
        if not self.leaked():
            return
        gc.collect()
        try:
            eventually(lambda: not self.leaked(), timeout, lambda: f"leaked: {self.leaked()}")
        finally:
            for thing in self.leaked():
                if isinstance(thing, psutil.Process):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        thing.kill()
