"""Streamlit without WebSockets: what a click costs, and many tunnels at once."""

from __future__ import annotations

import typing as t

from tests.benchmarks.chromium import Chromium
from tests.benchmarks.clicks import Tab
from tests.benchmarks.load import LoadError, Loop
from tests.benchmarks.measure import Memory, median, quantile
from tests.benchmarks.model import Effort, Metric, Row, Target
from tests.benchmarks.program import Contender
from tests.benchmarks.tunnel import open_tunnels
from tests.benchmarks.websocket import EchoClient, open_websockets
from tests.support.tcp import CuttableProxy

if t.TYPE_CHECKING:
    from tests.benchmarks.field import Field

#: Transports, and what they're called in the tables.
TRANSPORTS = {
    "websocket": "WebSocket",
    "stream": "stream",
    "long-poll": "long poll",
    "short-poll": "short poll",
}


class Click(Row):
    """Each transport has a gateway that pins it, and a tab; Streamlit is the same for all.

    Bytes are counted once, in other tabs, with a proxy between.
    """

    name = "tunnel"
    title = "Round trip of a click in Chromium, by transport"
    share = 40
    contenders = ("gthread",)
    metrics = tuple(
        metric
        for key, text in TRANSPORTS.items()
        for metric in (
            Metric(f"time_{key}", f"median round trip, {text}", "ms", drawn=True),
            Metric(f"bytes_{key}", f"bytes of a click, {text}", "kB", 1),
            Metric(f"requests_{key}", f"requests of a click, {text}", "", 1),
        )
    )
    targets = (
        Target("time_stream", 1.5, against="time_websocket"),
        Target("time_long-poll", 2, against="time_websocket"),
    )
    rounds = 4
    quick = False
    #: Presses of one turn, and turns of one round.
    presses, turns = 4, 3

    def __init__(self, contestants: Field, effort: Effort) -> None:
        super().__init__(contestants, effort)
        self.chromium = Chromium()
        self._tabs: dict[str, Tab] = {}
        self._counted: dict[str, float] = {}

    def measure(self, key: str) -> t.Mapping[str, float]:
        if not self._tabs:
            self._open(key)
        times: dict[str, list[float]] = {transport: [] for transport in TRANSPORTS}
        for _ in range(self.turns):
            for transport, tab in self._tabs.items():
                times[transport] += tab.press(self.presses)
                if tab.transport != transport:
                    raise LoadError(f"messages travel by {tab.transport}, not by {transport}")
        return self._counted | {f"time_{name}": median(found) for name, found in times.items()}

    def _open(self, key: str) -> None:
        browser = self.chromium.start()
        for transport in TRANSPORTS:
            port = self.field.pinned(key, transport).port
            with CuttableProxy(port) as proxy:
                tab = Tab(browser, proxy.port)
                tab.press(2)
                requests, passed, presses = tab.requests, proxy.passed, 2 * self.presses
                tab.press(presses)
                self._counted[f"requests_{transport}"] = (tab.requests - requests) / presses
                self._counted[f"bytes_{transport}"] = (proxy.passed - passed) / presses / 1e3
                tab.close()
            self._tabs[transport] = Tab(browser, port)
            # Chromium compiles what runs often.
            self._tabs[transport].press(2 * self.presses)

    def close(self) -> None:
        self.chromium.close()


class Many(Row):
    """A new contender each time, as memory once taken is used again.

    A tunnel's round trip is two requests: one that brings the message, and a long poll. While a
    tunnel is idle, a long poll waits.
    """

    name = "tunnels"
    title = "Echo of 200 bytes in 200 WebSockets at once, and in 200 tunnels (long polls)"
    share = 15
    contenders = ("gthread", "gevent")
    metrics = (
        Metric("rate_native", "round trips, WebSockets", "/s"),
        Metric("cpu_native", "CPU per round trip, WebSockets", "µs", 1),
        Metric("rate", "round trips, tunnels", "/s"),
        Metric("cpu", "CPU per round trip, tunnels", "µs", drawn=True),
        Metric("p50", "median round trip, tunnels", "ms"),
        Metric("p99", "99th percentile, tunnels", "ms"),
        Metric("memory", "supervisor: memory of an idle tunnel", "kB", 1),
        Metric("threads", "supervisor: more threads than without tunnels", ""),
    )
    targets = (Target("threads", 0, how="value"),)
    rounds = 2
    size = 200

    def measure(self, key: str) -> t.Mapping[str, float]:
        count = 20 if self.effort.quick else 200
        with self.field.make(key) as contender:
            native = self._native(contender, count)
            with open_tunnels(contender.port, 20, self.size) as tunnels:
                Loop(tunnels).run(0.1)  # what is made once
            supervisor = contender.find("supervisord")
            before = Memory.now(supervisor)
            with open_tunnels(contender.port, count, self.size) as tunnels:
                after = Memory.now(supervisor)
                loop = Loop(tunnels)
                rate, cpu = self._run(loop, contender)
            latencies = loop.latencies()
        return {
            **native,
            "rate": rate,
            "cpu": cpu,
            "p50": quantile(latencies, 0.5) * 1e3,
            "p99": quantile(latencies, 0.99) * 1e3,
            "memory": (after.pss - before.pss) / count / 1e3,
            "threads": after.threads - before.threads,
        }

    def _native(self, contender: Contender, count: int) -> t.Mapping[str, float]:
        sockets = open_websockets(contender.port, count)
        with Loop([EchoClient(sock, self.size) for sock in sockets]) as loop:
            rate, cpu = self._run(loop, contender)
        return {"rate_native": rate, "cpu_native": cpu}

    def _run(self, loop: Loop, contender: Contender) -> tuple[float, float]:
        """Return round trips per second, and microseconds of CPU for each."""
        loop.run(0.1)
        cpu = self.cpu(contender)
        elapsed = loop.run(0.2 if self.effort.quick else 1.5)
        count = len(loop.latencies())
        return count / elapsed, cpu.used() / count * 1e6
