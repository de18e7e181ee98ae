"""What stops other gateways: restarts, and clients that say nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import typing as t

from tests.benchmarks.contenders import fluxsync, plain
from tests.benchmarks.load import LoadError, connect
from tests.benchmarks.model import Metric, Row, Target
from tests.benchmarks.program import Contender, status
from tests.benchmarks.websocket import echoing, open_websockets
from tests.support.processes import descendants
from tests.support.waiting import Deadline


class Survive(Row):
    name = "survive"
    title = "100 WebSockets while workers are replaced"
    share = 15
    contenders = ("gthread", "gevent", "sync")
    metrics = (
        Metric("hup", "alive after a reload (HUP)", ""),
        Metric("kill", "alive after kill -9 of the worker", "", drawn=True, more_is_better=True),
        Metric("requests", "alive after max_requests", ""),
    )
    targets = (
        Target("hup", 100, how="value", at_least=True),
        Target("kill", 100, how="value", at_least=True),
        Target("requests", 100, how="value", at_least=True),
    )
    rounds = 1

    def measure(self, key: str) -> t.Mapping[str, float]:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(
                fluxsync(key, self.field.upstream(), args=("--max-requests", "300"))
            )
            sockets = open_websockets(server.port, 100)
            for sock in sockets:
                stack.callback(sock.close)
            found = {}
            for name, replace in (("hup", reload), ("kill", kill), ("requests", exhaust)):
                before = workers(server)
                replace(server)
                self._wait(server, before)
                found[name] = float(echoing(sockets, 10))
        return found

    def _wait(self, server: Contender, before: set[int]) -> None:
        """Wait until other workers than before answer."""
        deadline = Deadline(30)
        while True:
            now = workers(server)
            if now and not now & before:
                with contextlib.suppress(OSError, LoadError):
                    if status(server.port, "/readyz") == 200:
                        return
            if deadline.expired:
                raise LoadError("workers were not replaced within 30 s")
            time.sleep(0.02)


def workers(server: Contender) -> set[int]:
    return {process.pid for process in descendants(server.pid)}


def reload(server: Contender) -> None:
    server.send_signal(signal.SIGHUP)


def kill(server: Contender) -> None:
    for pid in workers(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def exhaust(server: Contender) -> None:
    """Send so many requests that the worker has to go."""
    for _ in range(400):
        with contextlib.suppress(OSError, LoadError):
            status(server.port, "/healthz")


class Silent(Row):
    """Browsers open connections in advance; a server that waits for them has no thread left."""

    name = "silent"
    title = "GET /healthz beside connections that say nothing"
    share = 9
    contenders = ("flask", "gthread", "sync")
    metrics = (
        Metric("time", "time of the next GET", "ms", 1, drawn=True),
        Metric("without", "without silent connections", "ms", 1),
    )
    targets = (
        Target("time", 50, how="value"),
        Target("time", 50, how="value", contender="sync"),
    )
    rounds = 1

    def measure(self, key: str) -> t.Mapping[str, float]:
        args = () if key == "sync" else ("--threads", "4")
        if key == "flask":
            server = plain(key, args)
        else:
            server = fluxsync(key, self.field.upstream(), args=args)
        path = "/ping" if key == "flask" else "/healthz"
        with contextlib.ExitStack() as stack:
            stack.enter_context(server)
            times = []
            for silent in (0, 1 if key == "sync" else 4):
                for _ in range(silent):
                    stack.callback(connect(server.port).close)
                time.sleep(0.2)  # the server may accept them, if it wants to
                begin = time.perf_counter()
                status(server.port, path)
                times.append(time.perf_counter() - begin)
        return {"without": times[0] * 1e3, "time": times[1] * 1e3}
