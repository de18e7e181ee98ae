from __future__ import annotations

import time
import typing as t

import pytest

from fluxsync.process import reports
from fluxsync.process.reports import Reports
from fluxsync.telemetry import metrics
from fluxsync.telemetry.metrics import Tally


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for workers as long as a test likes."""
    monkeypatch.setattr(reports, "_PATIENCE", 3600.0)


class Connections:
    """Stands in for a switchboard: who is connected, and what they were sent."""

    def __init__(self, *workers: str) -> None:
        self.workers = workers
        self.sent: list[tuple[str, str]] = []
        self.answers: list[dict[str, t.Any]] = []

    def send(self, channel: str, data: dict[str, t.Any]) -> None:
        self.sent.append((channel, data["type"]))
        if data["type"] == "overview":
            self.answers.append(data)


class Site:
    """Reports of some workers; whoever reports has counted so many WebSockets."""

    def __init__(self, *workers: str) -> None:
        self.connections = Connections(*workers)
        own: dict[str, t.Any] = {"figures": [], "recent": []}
        self.reports = Reports(t.cast(t.Any, self.connections), lambda: own, lambda: {"pid": 1})

    def take(self, worker: str, count: float, instance: str = "", **facts: t.Any) -> None:
        tally = Tally()
        tally.add(metrics.WEBSOCKETS_OPENED, "websocket", amount=count)
        tally.add(metrics.WEBSOCKETS_OPEN, "websocket", amount=count)
        report = {"instance": instance or worker, "figures": tally.figures(), "recent": []}
        self.reports.take(t.cast(t.Any, worker), {**report, **facts})

    def ask(self) -> None:
        self.reports.ask(t.cast(t.Any, "asker"))

    def answer(self) -> tuple[float, float]:
        """Return how many were opened, and how many are open."""
        self.reports.step()
        found = {name: values[0] for name, _, values in self.connections.answers.pop()["figures"]}
        assert not self.connections.answers
        opened = found.get(metrics.WEBSOCKETS_OPENED.name, 0)
        return opened, found.get(metrics.WEBSOCKETS_OPEN.name, 0)


def test_answer_comes_when_all_have_reported() -> None:
    site = Site("a", "b")
    site.take("a", 5)

    site.ask()
    site.take("a", 6)
    site.reports.step()
    assert site.connections.sent == [("a", "report"), ("b", "report")]
    assert site.reports.deadline() is not None
    site.take("b", 1)

    assert site.answer() == (7, 7)
    assert site.reports.deadline() is None


def test_nobody_is_waited_for_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker has said before counts, if it's stopped, say."""
    site = Site("a", "b")
    site.take("a", 5)
    site.ask()
    deadline = site.reports.deadline()
    assert deadline is not None

    monkeypatch.setattr(time, "monotonic", lambda: deadline)

    assert site.answer() == (5, 5)


def test_figures_of_workers_that_have_gone() -> None:
    """Counters stay; what was open isn't any more."""
    site = Site("a", "b")
    for number in range(200):
        name = f"w{number}"
        site.connections.workers = (name,)
        site.take(name, 1)
        site.reports.step()

    site.connections.workers = ()
    site.ask()

    assert site.answer() == (200, 0)


def test_worker_that_comes_back() -> None:
    """Its connection broke. Its figures are sums since its start: they count once."""
    site = Site("a")
    site.take("a", 5, instance="same")
    site.connections.workers = ()
    site.reports.step()

    site.connections.workers = ("a2",)
    site.take("a2", 7, instance="same")
    site.ask()
    site.take("a2", 7, instance="same")

    assert site.answer() == (7, 7)


def test_worker_that_goes_while_it_is_waited_for() -> None:
    site = Site("a")
    site.take("a", 3)
    site.ask()

    site.connections.workers = ()

    assert site.answer() == (3, 0)


def test_last_requests_of_all() -> None:
    site = Site("a", "b")
    site.take("a", 0, recent=[{"time": 1.0, "path": "/1"}, {"time": 3.0, "path": "/3"}])
    site.take("b", 0, recent=[{"time": 2.0, "path": "/2"}])
    site.connections.workers = ("a", "b")
    site.ask()
    site.take("a", 0, recent=[{"time": 1.0, "path": "/1"}, {"time": 3.0, "path": "/3"}])
    site.take("b", 0, recent=[{"time": 2.0, "path": "/2"}])
    site.reports.step()

    (answer,) = site.connections.answers
    assert [entry["path"] for entry in answer["recent"]] == ["/1", "/2", "/3"]
    assert answer["status"] == {"pid": 1}


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"figures": 5}, id="no figures"),
        pytest.param({"recent": [{"time": "now"}]}, id="no time"),
        pytest.param({"recent": [5]}, id="no request"),
    ],
)
def test_what_is_no_report(facts: dict[str, t.Any]) -> None:
    """The connection ends then, and the supervisor stays."""
    site = Site("a")

    with pytest.raises((TypeError, ValueError)):
        site.take("a", 1, **facts)

    site.connections.workers = ()
    site.ask()
    assert site.answer() == (0, 0)
