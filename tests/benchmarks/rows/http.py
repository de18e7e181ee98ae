"""Requests and their answers: proxied ones, and those of the API."""

from __future__ import annotations

import typing as t

from tests.benchmarks.contenders import GATEWAYS
from tests.benchmarks.load import HttpClient, Loop, get
from tests.benchmarks.model import Metric, Row, Target
from tests.benchmarks.program import Contender

CPU = Metric("cpu", "CPU per request", "µs", drawn=True)
RATE = Metric("rate", "requests", "/s", drawn=True, more_is_better=True)


class Requests(Row):
    """The same GET request again and again, on connections that are kept alive."""

    metrics = (CPU, RATE)
    connections = 8
    seconds = 0.5
    headers: t.ClassVar[t.Mapping[str, str]] = {}

    def path(self, key: str) -> str:
        raise NotImplementedError

    def measure(self, key: str) -> t.Mapping[str, float]:
        contender = self.get(key)
        request = get(contender.port, self.path(key), self.headers)
        clients = [HttpClient(contender.port, request) for _ in range(self.connections)]
        with Loop(clients) as loop:
            loop.run(0.1)
            return self.run(contender, loop)

    def run(self, contender: Contender, loop: Loop) -> t.Mapping[str, float]:
        cpu = self.cpu(contender)
        elapsed = loop.run(0.1 if self.effort.quick else self.seconds)
        used = cpu.used()
        count = len(loop.latencies())
        return {"cpu": used / count * 1e6, "rate": count / elapsed}


class Small(Requests):
    name = "small"
    title = "Proxied GET of 1 kB, 8 connections"
    share = 30
    contenders = ("upstream", "wsgi", *GATEWAYS)
    targets = (
        Target("cpu", 0.33, "fluxlit"),
        Target("cpu", 0.30, "frp"),
    )

    def path(self, key: str) -> str:
        return "/bytes/1000"


class Large(Requests):
    name = "large"
    title = "Proxied GET of 300 kB, 8 connections"
    share = 10
    contenders = ("upstream", *GATEWAYS)
    targets = (Target("rate", 4, "fluxlit", at_least=True),)
    rounds = 3

    def path(self, key: str) -> str:
        return "/bytes/300000"


class Api(Requests):
    name = "api"
    title = "Route of the API, 8 connections"
    share = 22
    contenders = ("flask", "api", "gthread", "gevent", "fluxlit", "frp")
    targets = (Target("cpu", 25, "api", how="difference"),)
    rounds = 11
    seconds = 0.25

    def path(self, key: str) -> str:
        return "/ping" if key in ("flask", "api") else "/api/ping"
