"""What is counted, under which name, and how counts of several processes become one.

Each process counts for itself; the supervisor adds up what it and the workers have. Only the
worker that is asked for the metrics knows Prometheus' format.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import enum
import threading
import typing as t

#: Upper bounds of histograms, in seconds.
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5, 10, 60)
_WEBSOCKET_BUCKETS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
_TRANSPORTS = ("websocket", "tunnel", "api")


class Kind(enum.Enum):
    """What a metric's values do; the words are Prometheus'."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric: its name, what it says, and what its values are told apart by."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    #: Values of its only label that are there from the beginning, with 0: Prometheus sees no
    #: increase where a counter begins with 1.
    known: tuple[str, ...] = ()


REQUESTS = Metric(
    "fluxsync_requests_total",
    Kind.COUNTER,
    "Requests that have ended, by who answered, method and class of the status.",
    ("dispatch", "method", "status"),
)
REQUEST_DURATION = Metric(
    "fluxsync_request_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a request's head to the end of its response.",
    ("dispatch",),
    _REQUEST_BUCKETS,
)
IN_PROGRESS = Metric(
    "fluxsync_requests_in_progress",
    Kind.GAUGE,
    "Requests that haven't ended, slow uploads and downloads among them.",
    ("dispatch",),
)
RESPONSE_BYTES = Metric(
    "fluxsync_response_bytes_total", Kind.COUNTER, "Bytes of responses' bodies.", ("dispatch",)
)
UPSTREAM_ERRORS = Metric(
    "fluxsync_upstream_errors_total",
    Kind.COUNTER,
    "Requests that failed on the hop to Streamlit: not_ready, unreachable, timeout, protocol.",
    ("kind",),
    known=("not_ready", "unreachable", "timeout", "protocol"),
)
REFUSALS = Metric(
    "fluxsync_refusals_total",
    Kind.COUNTER,
    "Requests for which a worker had no place, nor one in its queue.",
    ("dispatch",),
    known=("api", "streamlit"),
)
WEBSOCKETS_OPEN = Metric(
    "fluxsync_websockets_open",
    Kind.GAUGE,
    "Open WebSockets: of pages (websocket), of pages over plain HTTP (tunnel), of the API (api).",
    ("transport",),
    known=_TRANSPORTS,
)
WEBSOCKETS_OPENED = Metric(
    "fluxsync_websockets_opened_total",
    Kind.COUNTER,
    "WebSockets that were opened.",
    ("transport",),
    known=_TRANSPORTS,
)
WEBSOCKETS_CLOSED = Metric(
    "fluxsync_websockets_closed_total",
    Kind.COUNTER,
    "WebSockets that were closed, by close code (RFC 6455 7.4); 1006 is without one.",
    ("transport", "code"),
)
WEBSOCKET_DURATION = Metric(
    "fluxsync_websocket_duration_seconds",
    Kind.HISTOGRAM,
    "How long WebSockets were open.",
    ("transport",),
    _WEBSOCKET_BUCKETS,
)
WEBSOCKET_BYTES = Metric(
    "fluxsync_websocket_bytes_total",
    Kind.COUNTER,
    "Bytes of WebSockets' frames, from browsers (received) and to them (sent).",
    ("transport", "direction"),
)
TUNNELS_OPEN = Metric(
    "fluxsync_tunnels_open",
    Kind.GAUGE,
    "Pages that have no WebSocket now, by what they use instead.",
    ("transport",),
)
FALLBACKS = Metric(
    "fluxsync_fallbacks_total",
    Kind.COUNTER,
    "Pages that went on without a WebSocket, by what they used first and why.",
    ("transport", "reason"),
)
TRANSFERS_OPEN = Metric(
    "fluxsync_transfers_open",
    Kind.GAUGE,
    "Uploads and downloads that were left to the relay.",
)
REPLICAS = Metric("fluxsync_replicas", Kind.GAUGE, "Streamlit servers by state.", ("state",))
REPLICA_UP = Metric(
    "fluxsync_replica_up",
    Kind.GAUGE,
    "Whether a Streamlit server runs and answers: 1 or 0.",
    ("replica",),
)
REPLICA_RESTARTS = Metric(
    "fluxsync_replica_restarts_total",
    Kind.COUNTER,
    "Starts of a Streamlit server after its first one.",
    ("replica",),
)
REPLICA_START_TIME = Metric(
    "fluxsync_replica_start_time_seconds",
    Kind.GAUGE,
    "When a Streamlit server's process was started, in Unix time.",
    ("replica",),
)
MEMORY = Metric(
    "fluxsync_memory_bytes",
    Kind.GAUGE,
    "Resident memory of the supervisor, of all workers, and of each Streamlit server.",
    ("process",),
)
WORKERS = Metric("fluxsync_workers", Kind.GAUGE, "Gateway workers.")
SUPERVISOR_START_TIME = Metric(
    "fluxsync_supervisor_start_time_seconds",
    Kind.GAUGE,
    "When the supervisor was started, in Unix time.",
)
BUILD_INFO = Metric("fluxsync_build_info", Kind.GAUGE, "1, with the version.", ("version",))

#: All of them. Names, labels and buckets change with a major version only.
METRICS: t.Final[tuple[Metric, ...]] = tuple(
    value for value in globals().values() if isinstance(value, Metric)
)
_BY_NAME = {metric.name: metric for metric in METRICS}

#: Name, labels, and the value; of a histogram the sum, then the number in each bucket.
Figure: t.TypeAlias = "tuple[str, tuple[str, ...], list[float]]"


class Tally:
    """Counts of one process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, ...], list[float]] = {}

    def add(self, metric: Metric, *labels: str, amount: float = 1.0) -> None:
        """Add to a counter or a gauge."""
        key = (metric.name, *labels)
        with self._lock:
            cell = self._cells.get(key)
            if cell is None:
                self._cells[key] = [amount]
            else:
                cell[0] += amount

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        key = (metric.name, *labels)
        bucket = 1 + bisect.bisect_left(metric.buckets, value)
        with self._lock:
            cell = self._cells.get(key)
            if cell is None:
                cell = self._cells[key] = [0.0] * (len(metric.buckets) + 2)
            cell[0] += value
            cell[bucket] += 1

    def figures(self) -> list[Figure]:
        """Return what has been counted, as JSON types."""
        with self._lock:
            return [(key[0], key[1:], cell[:]) for key, cell in self._cells.items()]


def parse_figures(data: t.Any) -> list[Figure]:
    """Return figures that have come as JSON; what this version doesn't know is left out.

    :raise Exception: It's something else.
    """
    figures: list[Figure] = []
    for name, labels, values in data:
        metric = _BY_NAME.get(name)
        if metric is None or len(labels) != len(metric.labels):
            continue
        if len(values) == (len(metric.buckets) + 2 if metric.buckets else 1):
            figures.append((name, tuple(map(str, labels)), list(map(float, values))))
    return figures


def zeros() -> list[Figure]:
    """Return the values that are there from the beginning."""
    return [(metric.name, (label,), [0.0]) for metric in METRICS for label in metric.known]


def add_up(*parts: t.Iterable[Figure]) -> list[Figure]:
    """Return the sums of figures of several processes."""
    sums: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    for name, labels, values in (figure for part in parts for figure in part):
        cell = sums.get((name, labels))
        if cell is None:
            sums[name, labels] = values[:]
        else:
            for i, value in enumerate(values):
                cell[i] += value
    return [(name, labels, values) for (name, labels), values in sums.items()]


def lasting(figures: t.Iterable[Figure]) -> list[Figure]:
    """Return what counts on when the process has gone: everything but gauges."""
    return [figure for figure in figures if _BY_NAME[figure[0]].kind is not Kind.GAUGE]


def by_metric(figures: t.Iterable[Figure]) -> dict[str, list[Figure]]:
    """Return figures by the names of their metrics."""
    found: dict[str, list[Figure]] = collections.defaultdict(list)
    for figure in figures:
        found[figure[0]].append(figure)
    return found


def memory(pid: int | str = "self") -> int:
    """Return a process's resident memory in bytes; 0 if that can't be said."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _page() -> int:
    import resource

    return resource.getpagesize()


_PAGE = _page()
