"""Start a server as a process, read what it prints, and see it end with all it started."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import typing as t
import uuid
from pathlib import Path

import psutil

from tests.support.leaks import MARK, Entry, Service, children, mark_of, process_table
from tests.support.waiting import Deadline, eventually

if t.TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (sys.executable, "-X", "faulthandler")
#: Variables of the person who runs the tests that must not change what is tested.
FOREIGN = re.compile(
    r"_?FLUXSYNC_(?!TESTS_)|STREAMLIT_|GUNICORN_|FLASK_|OTEL_|PORT$|WEB_CONCURRENCY$|"
    r"FORWARDED_ALLOW_IPS$|(HTTPS?|ALL|NO)_PROXY$",
    re.IGNORECASE,
)


def environment(env: t.Mapping[str, str] | None = None, mark: str = "") -> dict[str, str]:
    """Return the environment of a server: ours without what would configure it."""
    base = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    base.update(PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1")
    # Not the person's own. Servers share it, since Streamlit's files are compressed only once.
    cache = Path(tempfile.gettempdir(), f"fluxsync-tests-cache-{os.getuid()}")
    base.update(FLUXSYNC_CACHE_DIR=str(cache))
    base.update(env or {})
    if mark:
        base[MARK] = mark
    return base


def free_port() -> int:
    """Return a port nobody listens on, for a server that cannot bind port 0.

    It lies below the range from which the kernel takes the ports of outgoing connections,
    so only another call of this function competes for it.
    """
    for port in itertools.islice(_ports(), 100):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@functools.cache
def _ports() -> t.Iterator[int]:
    """Return the ports of this process, each of which comes again after all others only.

    The servers that get them take a while to bind them. So what is free is not enough: neither
    another call nor another process of pytest-xdist may get the same one meanwhile.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
    ports = [*range(20_000 + number, 30_000, 8)]
    # Whoever runs other tests on this machine begins elsewhere, whatever their seed.
    random.SystemRandom().shuffle(ports)
    return itertools.cycle(ports)


def descendants(pid: int) -> list[psutil.Process]:
    """Return the living processes below a process."""
    return [process for process in _family([pid], process_table()) if process.pid != pid]


def is_alive(process: psutil.Process) -> bool:
    """Return whether it is still that process, and not a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_with(mark: str, root: int | None = None) -> list[psutil.Process]:
    """Return every living process that carries the mark, or is below one that does.

    A process may have been started with a small environment of its own, without the mark.

    :param root: A process that counts even if it has overwritten its environment.
    """
    table = process_table()
    children(table)  # reaps
    marked = [entry.pid for entry in table if entry.pid == root or mark_of(entry.pid) == mark]
    return _family(marked, table)


def _family(pids: list[int], table: list[Entry]) -> list[psutil.Process]:
    """Return the living processes with these ids, and those below them."""
    offspring: dict[int, list[int]] = {}
    for entry in table:
        offspring.setdefault(entry.parent, []).append(entry.pid)
    family: set[int] = set()
    while pids:
        family.update(pids)
        pids = [child for pid in pids for child in offspring.get(pid, ()) if child not in family]
    alive = family.difference(entry.pid for entry in table if entry.is_zombie)
    found = []
    for pid in sorted(alive):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def describe(processes: t.Iterable[psutil.Process]) -> str:
    """Return one line per process, for a failure message."""
    lines = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            lines.append(f"{process.pid} < {process.ppid()}: {' '.join(process.cmdline())}")
    return "\n".join(lines)


class Server(Service):
    """A server process in a session of its own; a context manager.

    It works in a directory of its own, also for temporary files. Its output is collected by a
    thread. :meth:`stop` also checks that no process is left that carries the server's mark, so
    every test with a server is a test for orphans.
    """

    def __init__(
        self,
        *args: str,
        env: t.Mapping[str, str] | None = None,
        linger: float = 15.0,
    ) -> None:
        """
        :param linger: Seconds until the last process of the server must be gone.
        """
        self.args = args
        # Short, as the path of a Unix socket has 107 bytes at most.
        self.directory = Path(tempfile.mkdtemp(prefix="fluxsync-"))
        self.env = {"TMPDIR": str(self.directory), **(env or {})}
        self.linger = linger
        self.mark = uuid.uuid4().hex
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._seen: set[psutil.Process] = set()
        self._popen: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._read, name=f"output-{args[0]}", daemon=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        try:
            if exc_type is None:  # else, what failed is more interesting than what did not stop
                self.stop()
        finally:
            self.close()

    def close(self) -> None:
        """Kill what is left and remove the directory."""
        self.kill_all()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start the process and, in subclasses, wait until it answers."""
        self._popen = subprocess.Popen(
            self.args,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(self.env, self.mark),
            cwd=self.directory,
            start_new_session=True,
        )
        Service.running.add(self)
        self._thread.start()

    # Output

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as stdout:
            poll = select.poll()
            poll.register(stdout, select.POLLIN)
            rest = b""
            while not self._ended:
                poll.poll()
                # Nothing is in between: what isn't in the pipe any more is among the lines.
                with self._changed:
                    data = os.read(stdout.fileno(), 65536)
                    *lines, rest = (rest + data).split(b"\n")
                    self._ended = not data
                    self.lines += [line.decode(errors="replace").rstrip("\r") for line in lines]
                    if self._ended and rest:
                        self.lines.append(rest.decode(errors="replace"))
                    self._changed.notify_all()

    def _catch_up(self) -> None:
        """Wait until all that was printed by now is among the lines."""
        stdout = self.popen.stdout
        assert stdout is not None

        def is_empty() -> bool:
            unread = bytearray(4)
            if not self._ended:
                fcntl.ioctl(stdout, termios.FIONREAD, unread)
            return not any(unread)

        with self._changed:
            self._changed.wait_for(is_empty, Deadline(10).remaining())

    @property
    def output(self) -> str:
        """Everything printed so far."""
        with self._changed:
            return "\n".join(self.lines)

    def wait_for_line(self, regex: str, timeout: float = 20.0, start: int = 0) -> re.Match[str]:
        """Return the first match in a line of the output, printed before or from now on.

        :param start: Index of the first line that counts; ``len(server.lines)`` for new ones.
        """
        deadline = Deadline(timeout)
        with self._changed:
            while True:
                for line in self.lines[start:]:
                    if match := re.search(regex, line):
                        return match
                start = len(self.lines)
                if self._ended or deadline.expired:
                    break
                self._changed.wait(deadline.remaining())
        state = "ended" if self._ended else f"printed within {timeout} s"
        raise AssertionError(f"{state} without {regex!r}:\n{self.output}")

    # Process

    def files(self) -> list[str]:
        """Return the paths of all files, sockets included, in the server's directory."""
        found = [p for p in self.directory.rglob("*") if not p.is_dir()]
        return sorted(str(p.relative_to(self.directory)) for p in found)

    @property
    def popen(self) -> subprocess.Popen[bytes]:
        assert self._popen is not None, "the server was not started"
        return self._popen

    @property
    def pid(self) -> int:
        return self.popen.pid

    def processes(self) -> list[psutil.Process]:
        """Return every living process of this server, also those that left it.

        Some programs, such as nginx, overwrite their environment. An orphan without the mark is
        known when an earlier call has seen it below the server.
        """
        root = self.pid if self.popen.poll() is None else None
        self._seen.update(processes_with(self.mark, root))
        self._seen = {process for process in self._seen if is_alive(process)}
        return sorted(self._seen, key=lambda process: process.pid)

    def find(self, *words: str) -> list[psutil.Process]:
        """Return the server's processes whose command line contains all the words."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if all(word in line for word in words):
                    found.append(process)
        return found

    def find_programs(self, *words: str) -> list[psutil.Process]:
        """Return what :meth:`find` does, less what one of them has forked.

        For a moment, until it executes another program, that has its parent's command line.
        """
        found = self.find(*words)
        pids = {process.pid for process in found}
        programs = []
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.ppid() not in pids:
                    programs.append(process)
        return programs

    def send_signal(self, number: int) -> None:
        """Send a signal to the process itself."""
        self.popen.send_signal(number)

    def interrupt(self) -> None:
        """Send SIGINT to the whole process group, as Ctrl-C in a terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def wait(self, timeout: float = 15.0) -> int:
        """Return the exit code; fail when the process does not end.

        What it has printed is in :attr:`output` then.
        """
        try:
            code = self.popen.wait(Deadline(timeout).remaining())
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {timeout} s:\n{self.output}") from None
        self._catch_up()
        return code

    def wait_gone(self) -> None:
        """Wait until no process of the server is left; kill and fail otherwise."""
        try:
            eventually(
                lambda: not self.processes(),
                self.linger,
                lambda: f"the end of\n{describe(self.processes())}\noutput:\n{self.output}",
            )
        finally:
            self.kill_all()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15.0) -> int:
        """End the server and return its exit code; fail when anything is left of it."""
        try:
            self.processes()  # to know them afterwards
            if self.popen.poll() is None:
                self.send_signal(number)
            code = self.wait(timeout)
            self.wait_gone()
        finally:
            self.kill_all()
        return code

    def kill_all(self) -> None:
        """Kill every process of the server and forget it; does nothing the second time."""
        if self._popen is None or self not in Service.running:
            return
        while left := self.processes():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.popen.poll()
        self.popen.wait()
        Service.running.discard(self)
        self._thread.join(Deadline(10).remaining())
        assert not self._thread.is_alive(), f"somebody still has the output of {self.args}"

    def owned_pids(self) -> t.Iterable[int]:
        return () if self._popen is None else (self.pid,)

    def owned_threads(self) -> t.Iterable[threading.Thread]:
        return (self._thread,)

    def owned_descriptors(self) -> t.Iterable[int]:
        stdout = self.popen.stdout
        return () if stdout is None or stdout.closed else (stdout.fileno(),)
