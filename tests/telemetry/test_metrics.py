from __future__ import annotations

import os
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.telemetry import metrics
from fluxsync.telemetry.metrics import METRICS, Kind, Tally


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: str(metric.name))
def test_names_follow_the_rules(metric: metrics.Metric) -> None:
    """Prometheus' own rules for names, and one sentence of help."""
    assert re.fullmatch(r"fluxsync_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(metric.buckets)
    assert metric.help.endswith(".") or metric is metrics.BUILD_INFO


def test_counts_of_many_threads() -> None:
    tally = Tally()

    def count() -> None:
        for _ in range(2000):
            tally.add(metrics.WORKERS)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tally.figures() == [(metrics.WORKERS.name, (), [8000])]


def test_histogram() -> None:
    tally = Tally()
    for value in (0, 0.001, 0.0011, 60, 61):
        tally.observe(metrics.REQUEST_DURATION, value, "api")

    [(name, labels, values)] = tally.figures()
    assert (name, labels) == (metrics.REQUEST_DURATION.name, ("api",))
    assert values[0] == pytest.approx(121.0021)
    # A bound belongs to its bucket (le), and the last bucket has no bound.
    assert values[1:3] == [2, 1]
    assert values[-2:] == [1, 1]


@given(st.lists(st.lists(st.sampled_from(["a", "b"]), max_size=5), max_size=4))
def test_sums_are_those_of_one_process(processes: list[list[str]]) -> None:
    one, tallies = Tally(), []
    for kinds in processes:
        tallies.append(Tally())
        for kind in kinds:
            for tally in (one, tallies[-1]):
                tally.add(metrics.UPSTREAM_ERRORS, kind)

    found = metrics.add_up(*(tally.figures() for tally in tallies))

    assert sorted(found) == sorted(one.figures())
    assert metrics.parse_figures(found) == found


def test_what_is_left_of_a_process() -> None:
    tally = Tally()
    tally.add(metrics.WORKERS)
    tally.add(metrics.FALLBACKS, "stream", "pinned")

    assert [name for name, _, _ in metrics.lasting(tally.figures())] == [metrics.FALLBACKS.name]


@pytest.mark.parametrize(
    "figure",
    [
        pytest.param(["fluxsync_later_total", [], [1]], id="unknown name"),
        pytest.param([metrics.WORKERS.name, ["x"], [1]], id="other labels"),
        pytest.param([metrics.REQUEST_DURATION.name, ["api"], [1, 2]], id="other buckets"),
    ],
)
def test_figures_of_another_version_are_left_out(figure: object) -> None:
    """An upgrade leaves the supervisor as it is."""
    assert metrics.parse_figures([figure]) == []


def test_memory() -> None:
    assert metrics.memory() == pytest.approx(metrics.memory(os.getpid()), rel=0.2)
    assert metrics.memory() > 1_000_000
    assert metrics.memory("none") == 0
