"""Processes that end with the benchmark, and how to see that they answer."""

from __future__ import annotations

import contextlib
import resource
import shutil
import socket
import subprocess
import typing as t

from tests.benchmarks.load import LoadError, connect
from tests.support.processes import Server
from tests.support.waiting import Deadline

#: A health check that all of them answer, themselves or from behind.
HEALTH = "/_stcore/health"


def mortal(command: t.Sequence[str]) -> tuple[str, ...]:
    """Return the command of a process that is ended when this one has been killed.

    The kernel sends it the signal (prctl(2), PR_SET_PDEATHSIG), if there's setpriv to ask for it.
    """
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", *command) if setpriv else tuple(command)


class Program(Server):
    """A process that ends with the benchmark, however that ends.

    It's ended by killing it: nothing is to be seen in how it ends.
    """

    def __init__(self, *command: str, env: t.Mapping[str, str] | None = None) -> None:
        super().__init__(*mortal(command), env=env)

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Contender(Program):
    """A server on a port of its own; ready when it's started."""

    def __init__(
        self,
        key: str,
        *command: str,
        port: int,
        env: t.Mapping[str, str] | None = None,
        health: str = HEALTH,
        files: t.Mapping[str, str] | None = None,
    ) -> None:
        """
        :param health: Path that answers 200 when it's ready.
        :param files: Names and texts of files in its working directory.
        """
        super().__init__(*command, env=env)
        self.key = key
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._health = health
        for name, text in (files or {}).items():
            (self.directory / name).write_text(text)

    def start(self) -> None:
        super().start()
        deadline = Deadline(60)
        while not answers(self.port, self._health):
            if self.popen.poll() is not None or deadline.expired:
                last = " ".join(self.lines[-3:])
                raise LoadError(f"it doesn't start: {last[-300:]}")
            # Polled, as nothing tells when a server of somebody else is ready.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(0.02)


def answers(port: int, path: str) -> bool:
    """Whether a GET request is answered with 200."""
    try:
        return status(port, path) == 200
    except (OSError, LoadError):
        return False


def status(port: int, path: str) -> int:
    """Return the status of the answer to one GET request on a connection of its own."""
    with connect(port) as sock:
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        while len(answer) < 12:
            data = sock.recv(4096)
            if not data:
                raise LoadError("no answer")
            answer += data
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    return int(answer[9:12])


def raise_file_limit() -> int:
    """Let this process and its children open as many files as they may; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
