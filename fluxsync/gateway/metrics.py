"""The metrics in Prometheus' formats."""

from __future__ import annotations

import typing as t

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..sansio.supervision import State
from ..telemetry import metrics
from ..telemetry.metrics import METRICS, Figure, Kind, Metric
from ..version import __version__

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric as Family


def encode(figures: t.Iterable[Figure], accept: str) -> tuple[bytes, str]:
    """Return the text, and its content type.

    :param accept: The field ``Accept`` of the request, which may ask for OpenMetrics.
    """
    # One of its own: the registry of the process has what the application counts, and that isn't
    # what other workers have counted.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(figures))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


def state_figures(status: t.Mapping[str, t.Any]) -> list[Figure]:
    """Return what the supervisor's state says, as figures.

    :param status: From :func:`~fluxsync.process.status.status`; empty without a supervisor.
    """
    figures: list[Figure] = [_one(metrics.BUILD_INFO, 1, __version__)]
    if not status:
        return figures
    figures.append(_one(metrics.WORKERS, len(status["workers"])))
    figures.append(_one(metrics.SUPERVISOR_START_TIME, status["started"]))
    figures.append(_one(metrics.MEMORY, status["memory_bytes"], "supervisor"))
    figures.append(_one(metrics.MEMORY, status["workers_memory_bytes"], "workers"))
    states = dict.fromkeys((state.value for state in State), 0)
    for replica in status["replicas"]:
        name = replica["id"]
        states[replica["state"]] += 1
        serves = replica["state"] == State.RUNNING.value and replica["healthy"]
        figures.append(_one(metrics.REPLICA_UP, serves, name))
        figures.append(_one(metrics.REPLICA_RESTARTS, max(replica["starts"] - 1, 0), name))
        if replica["started"]:
            figures.append(_one(metrics.REPLICA_START_TIME, replica["started"], name))
        if replica["memory_bytes"]:
            figures.append(_one(metrics.MEMORY, replica["memory_bytes"], name))
    figures += [_one(metrics.REPLICAS, number, state) for state, number in states.items()]
    return figures


def _one(metric: Metric, value: float, *labels: str) -> Figure:
    return metric.name, labels, [float(value)]


class _Figures(Collector):
    """Gives figures to the client library."""

    def __init__(self, figures: t.Iterable[Figure]) -> None:
        self._figures = metrics.by_metric(metrics.add_up(metrics.zeros(), figures))

    def collect(self) -> Iterator[Family]:
        """Yield all metrics, those without a value as well, so that they can be found."""
        for metric in METRICS:
            family = _family(metric)
            for _, labels, values in self._figures.get(metric.name, ()):
                if isinstance(family, HistogramMetricFamily):
                    family.add_metric(labels, _buckets(metric, values[1:]), values[0])
                else:
                    family.add_metric(labels, values[0])
            yield family


def _family(
    metric: Metric,
) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    if metric.kind is Kind.COUNTER:
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    if metric.kind is Kind.GAUGE:
        return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)


def _buckets(metric: Metric, counts: list[float]) -> list[tuple[str, float]]:
    """Return cumulative counts, as Prometheus has them."""
    bounds = [str(float(bound)) for bound in metric.buckets] + ["+Inf"]
    total, buckets = 0.0, []
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets
