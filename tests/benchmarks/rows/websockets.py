"""WebSockets: echoes, pushed frames, and many that say nothing."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
import typing as t

from tests.benchmarks.contenders import GATEWAYS
from tests.benchmarks.load import LoadError, Loop
from tests.benchmarks.measure import Memory, quantile
from tests.benchmarks.model import Metric, Row, Target
from tests.benchmarks.peers import Unavailable
from tests.benchmarks.program import Contender
from tests.benchmarks.websocket import EchoClient, PushClient, echoing, open_websockets

CONTENDERS = ("upstream", *GATEWAYS)


class Echo(Row):
    name = "echo"
    title = "WebSocket echo of 200 bytes"
    share = 22
    contenders = CONTENDERS
    connections = (1, 16)
    metrics = tuple(
        metric
        for count in connections
        for metric in (
            Metric(f"cpu{count}", f"CPU per round trip, {count} at once", "µs", 1, drawn=True),
            Metric(f"p50_{count}", f"median round trip, {count} at once", "µs"),
        )
    )
    targets = (
        Target("cpu1", 0.40, "fluxlit"),
        Target("cpu1", 1.5, "nginx"),
        Target("cpu16", 0.40, "fluxlit"),
        Target("cpu16", 1.5, "nginx"),
    )

    def measure(self, key: str) -> t.Mapping[str, float]:
        contender = self.get(key)
        found = {}
        for count in self.connections:
            sockets = open_websockets(contender.port, count)
            with Loop([EchoClient(sock, 200) for sock in sockets]) as loop:
                loop.run(0.05)
                cpu = self.cpu(contender)
                loop.run(0.1 if self.effort.quick else 0.3)
                latencies = loop.latencies()
                found[f"cpu{count}"] = cpu.used() / len(latencies) * 1e6
                found[f"p50_{count}"] = quantile(latencies, 0.5) * 1e6
        return found


class Push(Row):
    name = "push"
    title = "Frames pushed on one WebSocket"
    share = 12
    contenders = CONTENDERS
    sizes: t.ClassVar = {"256": 256_000, "1000": 1_000_000}
    metrics = tuple(
        metric
        for key, text in (("256", "256 kB"), ("1000", "1 MB"))
        for metric in (
            Metric(f"rate{key}", f"frames of {text}", "MB/s", drawn=True, more_is_better=True),
            Metric(f"cpu{key}", f"CPU, frames of {text}", "µs/MB"),
        )
    )
    targets = (
        Target("rate256", 1.0, "nginx", at_least=True),
        Target("rate256", 2, "fluxlit", at_least=True),
        Target("rate1000", 1.0, "nginx", at_least=True),
        Target("rate1000", 2, "fluxlit", at_least=True),
    )
    rounds = 4
    megabytes = 200

    def measure(self, key: str) -> t.Mapping[str, float]:
        contender = self.get(key)
        found = {}
        for name, size in self.sizes.items():
            count = (20 if self.effort.quick else self.megabytes) * 1_000_000 // size
            [sock] = open_websockets(contender.port, 1)
            with Loop([PushClient(sock, count, size)]) as loop:
                cpu = self.cpu(contender)
                elapsed = loop.run(60, limit=1)
                megabytes = count * size / 1e6
                found[f"rate{name}"] = megabytes / elapsed
                found[f"cpu{name}"] = cpu.used() / megabytes * 1e6
        return found


class Idle(Row):
    """Opens some, then many; a new contender each time, as memory once taken is used again."""

    name = "idle"
    title = "Idle WebSockets"
    share = 28
    contenders = ("nginx", "gthread", "gevent", "fluxlit", "frp")
    metrics = (
        Metric("memory1", "memory of each, 1,000", "kB", 2, drawn=True),
        Metric("memory5", "memory of each, 5,000", "kB", 2),
        Metric("threads", "more threads, 5,000 than 1,000", ""),
        Metric("open", "time to open 1,000", "s", 2, drawn=True),
        Metric("cpu", "CPU to open one, of 1,000", "µs"),
        Metric("rss", "process that has them, 1,000, RSS", "MB", 1),
        Metric("pss", "process that has them, 1,000, PSS", "MB", 1),
    )
    targets = (
        Target("memory1", 3, how="value"),
        Target("memory5", 3, how="value"),
        Target("threads", 0, how="value"),
        Target("rss", 20, how="value"),
    )
    rounds = 1
    #: The others take too long to open many, and have shown what they need.
    many = ("nginx", "gthread", "gevent")

    def measure(self, key: str) -> t.Mapping[str, float]:
        few, many = (50, 100) if self.effort.quick else (1000, 5000)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files < 2 * many + 200:
            raise Unavailable(f"no more than {files} files may be open")
        with contextlib.ExitStack() as stack:
            contender = stack.enter_context(self.field.make(key))
            for sock in open_websockets(contender.port, 20):  # what is made once
                sock.close()
            before = self._settled(contender)
            cpu = self.cpu(contender)
            begin = time.perf_counter()
            sockets = self._open(stack, contender.port, few)
            elapsed = time.perf_counter() - begin
            used = cpu.used()
            after = self._settled(contender)
            holder = max(contender.processes(), key=lambda process: process.num_fds())
            full = holder.memory_full_info()
            found = {
                "memory1": (after.pss - before.pss) / few / 1e3,
                "open": elapsed,
                "cpu": used / few * 1e6,
                "rss": full.rss / 1e6,
                "pss": full.pss / 1e6,
            }
            if key in self.many:
                threads = after.threads
                sockets += self._open(stack, contender.port, many - few)
                after = self._settled(contender)
                found["memory5"] = (after.pss - before.pss) / many / 1e3
                found["threads"] = after.threads - threads
            alive = echoing(sockets, 20)
            if alive < len(sockets):
                raise LoadError(f"only {alive} of {len(sockets)} WebSockets echo")
        return found

    def _open(self, stack: contextlib.ExitStack, port: int, count: int) -> list[socket.socket]:
        sockets = open_websockets(port, count)
        for sock in sockets:
            stack.callback(sock.close)
        return sockets

    def _settled(self, contender: Contender) -> Memory:
        """Return the memory, when what goes on after an answer is over."""
        time.sleep(0.1 if self.effort.quick else 0.5)
        return Memory.now(contender.processes())
