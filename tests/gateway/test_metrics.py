from __future__ import annotations

import typing as t

from prometheus_client.parser import text_string_to_metric_families

from fluxsync.gateway import metrics as exposition
from fluxsync.telemetry import metrics
from fluxsync.telemetry.metrics import METRICS, Figure, Tally

STATUS = {
    "pid": 1,
    "started": 100.0,
    "memory_bytes": 15,
    "workers": [2, 3],
    "workers_memory_bytes": 50,
    "replicas": [
        {
            "id": "r1",
            "state": "RUNNING",
            "healthy": True,
            "starts": 3,
            "started": 200.0,
            "memory_bytes": 80,
        },
        {
            "id": "r2",
            "state": "FATAL",
            "healthy": False,
            "starts": 0,
            "started": None,
            "memory_bytes": 0,
        },
    ],
}


def read(figures: list[Figure]) -> dict[tuple[str, ...], float]:
    text, _ = exposition.encode(figures, "")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_all_metrics_are_there() -> None:
    """Even those that have no value yet have a type and a help."""
    text, _ = exposition.encode([], "")

    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind.value, metric.help)


def test_counters_begin_with_zero() -> None:
    """Prometheus sees no increase where one begins with 1."""
    found = read([])

    assert found["fluxsync_refusals_total", "api"] == 0
    assert found["fluxsync_upstream_errors_total", "timeout"] == 0


def test_histogram_is_cumulative() -> None:
    tally = Tally()
    for value in (0.001, 0.02, 100):
        tally.observe(metrics.REQUEST_DURATION, value, "api")

    found = read(tally.figures())

    name = metrics.REQUEST_DURATION.name
    assert found[f"{name}_bucket", "api", "0.001"] == 1
    assert found[f"{name}_bucket", "api", "0.025"] == 2
    assert found[f"{name}_bucket", "api", "60.0"] == 2
    assert found[f"{name}_bucket", "api", "+Inf"] == found[f"{name}_count", "api"] == 3
    assert round(found[f"{name}_sum", "api"], 3) == 100.021


def test_labels_are_escaped() -> None:
    tally = Tally()
    tally.add(metrics.UPSTREAM_ERRORS, 'a"b\n')

    assert read(tally.figures())[metrics.UPSTREAM_ERRORS.name, 'a"b\n'] == 1


def test_state() -> None:
    found = read(exposition.state_figures(t.cast("dict[str, t.Any]", STATUS)))

    assert found["fluxsync_workers",] == 2
    assert found["fluxsync_replicas", "RUNNING"] == found["fluxsync_replicas", "FATAL"] == 1
    assert found["fluxsync_replicas", "STARTING"] == 0
    assert [found["fluxsync_replica_up", name] for name in ("r1", "r2")] == [1, 0]
    assert [found["fluxsync_replica_restarts_total", name] for name in ("r1", "r2")] == [2, 0]
    assert found["fluxsync_memory_bytes", "r1"] == 80
    assert ("fluxsync_memory_bytes", "r2") not in found
    assert found["fluxsync_supervisor_start_time_seconds",] == 100


def test_state_without_a_supervisor() -> None:
    (figure,) = exposition.state_figures({})

    assert figure[0] == metrics.BUILD_INFO.name
