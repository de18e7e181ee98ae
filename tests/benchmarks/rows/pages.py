"""Streamlit's page in a browser, and the files it's made of."""

from __future__ import annotations

import pathlib
import time
import typing as t

import streamlit

from tests.benchmarks.chromium import Chromium
from tests.benchmarks.contenders import FLUXSYNC
from tests.benchmarks.load import HttpClient, Loop, get
from tests.benchmarks.measure import Cpu
from tests.benchmarks.model import Effort, Metric, Row, Target
from tests.benchmarks.program import Contender
from tests.support.waiting import Deadline

if t.TYPE_CHECKING:
    from tests.benchmarks.field import Field

#: Size of the file that is asked for, about: the one with Streamlit's own code.
SIZE = 480_000
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def frontend_file() -> str:
    """Return the path of the file of Streamlit's page whose size is nearest."""
    root = pathlib.Path(streamlit.__file__).parent / "static"
    files = (root / "static" / "js").glob("*.js")
    chosen = min(files, key=lambda file: abs(file.stat().st_size - SIZE))
    return f"/{chosen.relative_to(root)}"


def wait_for_compression(contender: Contender) -> None:
    """Wait until fluxsync has compressed the frontend's files, which it does once per version."""
    request = get(contender.port, frontend_file(), BROWSER)
    deadline = Deadline(60)
    while not deadline.expired:
        with Loop([client := HttpClient(contender.port, request)]) as loop:
            loop.run(10, limit=1)
        if client.received < SIZE / 2 and not contender.find("assets"):
            return
        time.sleep(0.1)


class PageRow(Row):
    """A row about contenders that show a page."""

    quick = False

    def __init__(self, contestants: Field, effort: Effort) -> None:
        super().__init__(contestants, effort)
        self._waited: set[str] = set()

    def get(self, key: str) -> Contender:
        contender = self.field.page(key)
        if key in FLUXSYNC and key not in self._waited:
            self._waited.add(key)
            wait_for_compression(contender)
        return contender


class Asset(PageRow):
    """CPU time is of the contender and of Streamlit, wherever it runs."""

    name = "asset"
    title = "Frontend file of 480 kB, 8 connections"
    share = 14
    contenders = ("streamlit", "nginx", "gthread", "gevent", "fluxlit")
    metrics = (
        Metric("rate", "requests as of a browser", "/s", drawn=True, more_is_better=True),
        Metric("cpu", "CPU per request of a browser, with Streamlit's", "µs"),
        Metric("size", "size of the answer", "kB"),
        Metric("plain", "requests without Accept-Encoding", "/s"),
    )
    targets = (
        Target("rate", 20, "streamlit", at_least=True),
        Target("rate", 20, "fluxlit", at_least=True),
    )
    rounds = 2

    def measure(self, key: str) -> t.Mapping[str, float]:
        loop, cpu = self._run(key, BROWSER)
        count = len(loop.latencies())
        received = sum(t.cast(HttpClient, client).received for client in loop.clients)
        found = {
            "rate": count / self.elapsed,
            "cpu": cpu.used() / count * 1e6,
            "size": received / count / 1e3,
        }
        loop, _ = self._run(key, {})
        return {**found, "plain": len(loop.latencies()) / self.elapsed}

    def _run(self, key: str, headers: t.Mapping[str, str]) -> tuple[Loop, Cpu]:
        contender, behind = self.get(key), self.field.streamlit_of(key)
        request = get(contender.port, frontend_file(), headers)
        clients = [HttpClient(contender.port, request) for _ in range(8)]
        with Loop(clients) as loop:
            cpu = Cpu(lambda: {*contender.processes(), *behind.processes()})
            self.elapsed = loop.run(0.5)
        return loop, cpu


class Page(PageRow):
    """The first visit: with an empty cache, until the script's text can be read."""

    name = "page"
    title = "First load of the page in Chromium"
    share = 40
    contenders = ("streamlit", "gthread", "fluxlit")
    metrics = (
        Metric("bytes", "bytes over the wire", "kB", drawn=True),
        Metric("time", "time on loopback", "s", 2, drawn=True),
        Metric("slow", "time at 10 Mbit/s and 40 ms", "s", 2, drawn=True),
    )
    targets = (
        Target("bytes", 0.42, "streamlit"),
        Target("slow", 0.55, "streamlit"),
        Target("time", 0.75, "streamlit"),
    )
    rounds = 3

    def __init__(self, contestants: Field, effort: Effort) -> None:
        super().__init__(contestants, effort)
        self.chromium = Chromium()
        self._bytes: dict[str, float] = {}

    def measure(self, key: str) -> t.Mapping[str, float]:
        contender = self.get(key)
        if key not in self._bytes:  # Streamlit loads a part of itself with its first session
            self._bytes[key] = self.chromium.visit(contender.port, whole=True).received
        near = self.chromium.visit(contender.port)
        far = self.chromium.visit(contender.port, slow=True)
        return {"bytes": self._bytes[key] / 1e3, "time": near.seconds, "slow": far.seconds}

    def close(self) -> None:
        self.chromium.close()


class Start(Row):
    """From the command to the page: started, asked until it answers, and shown."""

    name = "start"
    title = "From the command to the first page in Chromium"
    share = 16
    contenders = ("streamlit", "gthread")
    metrics = (
        Metric("answer", "until the page is served", "s", 2),
        Metric("time", "until it's shown", "s", 2, drawn=True),
    )
    targets = (Target("time", 0.5, "streamlit", how="difference"),)
    rounds = 3
    quick = False

    def __init__(self, contestants: Field, effort: Effort) -> None:
        super().__init__(contestants, effort)
        self.chromium = Chromium()

    def measure(self, key: str) -> t.Mapping[str, float]:
        self.chromium.start()
        begin = time.perf_counter()
        with self.field.make_page(key) as contender:
            answer = time.perf_counter() - begin
            self.chromium.visit(contender.port)
            return {"answer": answer, "time": time.perf_counter() - begin}

    def close(self) -> None:
        self.chromium.close()
