"""What a test left behind: threads, child processes, open files.

Servers that several tests share live longer than one test. They register as a
:class:`Service`; what a service owns that was running before the test, or that is
``shared``, is not the test's leak.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import subprocess
import sys
import threading
import typing as t

import psutil

from tests.support.waiting import eventually

MARK = "FLUXSYNC_TEST_MARK"
PR_SET_CHILD_SUBREAPER = 36


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


def mark_of(pid: int) -> str:
    """Return the mark a process was started with, ``""`` when it has none or is gone."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:
        return ""
    for item in environ.split(b"\0"):
        name, _, value = item.partition(b"=")
        if name == MARK.encode():
            return value.decode()
    return ""


def children() -> set[psutil.Process]:
    """Return our living children; adopted ones that have ended are reaped, as init does."""
    alive = set()
    ended = []
    for process in psutil.Process().children():
        try:
            status = process.status()
        except psutil.NoSuchProcess:
            continue
        if status == psutil.STATUS_ZOMBIE:
            ended.append(process.pid)
        else:
            alive.add(process)
    if ended:
        # A child of a Popen object is that object's to wait for: its exit code would be lost.
        known = {o.pid for o in gc.get_objects() if isinstance(o, subprocess.Popen)}
        for pid in set(ended) - known:
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

    def check(self, timeout: float = 5.0) -> None:
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
