"""What sessions notice of each other, of the API, and the API of them."""

from __future__ import annotations

import contextlib
import typing as t

from tests.benchmarks.background import Background
from tests.benchmarks.load import HttpClient, LoadError, Loop, get
from tests.benchmarks.measure import Memory, quantile
from tests.benchmarks.model import Metric, Row, Target
from tests.benchmarks.websocket import EchoClient, masked, open_websockets
from tests.support.frames import TEXT

CONTENDERS = ("nginx", "gthread", "fluxlit")


class Busy(Row):
    name = "busy"
    title = "Health check while 200 sessions echo 20 times a second"
    share = 10
    contenders = CONTENDERS
    metrics = (
        Metric("quiet50", "median, no session", "ms", 2),
        Metric("quiet99", "99th percentile, no session", "ms", 2),
        Metric("busy50", "median, 200 sessions", "ms", 2),
        Metric("busy99", "99th percentile, 200 sessions", "ms", 2, drawn=True),
    )
    rounds = 1

    def measure(self, key: str) -> t.Mapping[str, float]:
        contender = self.get(key)
        # nginx has none of its own; the peers' API runs where their gateway does.
        path = {"gthread": "/healthz", "gevent": "/healthz", "nginx": "/_stcore/health"}
        request = get(contender.port, path.get(key, "/api/ping"))
        quick = self.effort.quick
        seconds = 0.2 if quick else 1.5
        with Loop([HttpClient(contender.port, request, 0.005) for _ in range(2)]) as loop:
            loop.run(seconds)
            quiet = loop.latencies()
            with Background(contender, "echo", 10 if quick else 200, 0.05) as load:
                loop.run(seconds)
                load.check()
            busy = loop.latencies()
        return {
            "quiet50": quantile(quiet, 0.5) * 1e3,
            "quiet99": quantile(quiet, 0.99) * 1e3,
            "busy50": quantile(busy, 0.5) * 1e3,
            "busy99": quantile(busy, 0.99) * 1e3,
        }


class Slow(Row):
    """One session is sent 512 MB and reads nothing of it."""

    name = "slow"
    title = "Round trips of 50 sessions, and one that doesn't read"
    share = 9
    contenders = CONTENDERS
    metrics = (
        Metric("before50", "median, all read", "ms", 2),
        Metric("before99", "99th percentile, all read", "ms", 2),
        Metric("slow50", "median, one doesn't", "ms", 2),
        Metric("slow99", "99th percentile, one doesn't", "ms", 2, drawn=True),
        Metric("memory", "more memory", "MB", 2),
    )
    rounds = 2

    def measure(self, key: str) -> t.Mapping[str, float]:
        contender = self.get(key)
        seconds = 0.2 if self.effort.quick else 1.2
        with contextlib.ExitStack() as stack:
            sockets = open_websockets(contender.port, 50)
            loop = stack.enter_context(Loop([EchoClient(sock, 200, 0.05) for sock in sockets]))
            loop.run(0.1)
            before = Memory.now(contender.processes())
            loop.run(seconds)
            quiet = loop.latencies()
            [slow] = open_websockets(contender.port, 1)
            stack.callback(slow.close)
            slow.sendall(masked(b"push 2000 256000", TEXT))
            loop.run(seconds)
            after = Memory.now(contender.processes())
        latencies = loop.latencies()
        return {
            "before50": quantile(quiet, 0.5) * 1e3,
            "before99": quantile(quiet, 0.99) * 1e3,
            "slow50": quantile(latencies, 0.5) * 1e3,
            "slow99": quantile(latencies, 0.99) * 1e3,
            "memory": (after.pss - before.pss) / 1e6,
        }


class Burn(Row):
    name = "burn"
    title = "Round trip of a WebSocket while three requests compute"
    share = 14
    contenders = ("gthread", "gevent", "fluxlit")
    metrics = (
        Metric("idle", "median, nothing else", "ms", 2),
        Metric("burning", "median, API computes", "ms", 2, drawn=True),
    )
    targets = (Target("burning", 2, against="idle"),)
    rounds = 3

    def measure(self, key: str) -> t.Mapping[str, float]:
        contender = self.get(key)
        seconds = 0.2 if self.effort.quick else 1.0
        [sock] = open_websockets(contender.port, 1)
        with Loop([EchoClient(sock, 200, 0.005)]) as loop:
            loop.run(seconds)
            idle = loop.latencies()
            with Background(contender, "/api/burn", 3, 0.0) as load:
                loop.run(seconds)
                load.check()
            burning = loop.latencies()
        if not (idle and burning):
            raise LoadError("no round trip")
        return {"idle": quantile(idle, 0.5) * 1e3, "burning": quantile(burning, 0.5) * 1e3}
