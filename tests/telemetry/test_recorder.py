from __future__ import annotations

import logging
import typing as t

import pytest

from fluxsync.exceptions import UpstreamTimeout
from fluxsync.telemetry import metrics
from fluxsync.telemetry.access import BUSY, Exchange
from fluxsync.telemetry.metrics import Tally
from fluxsync.telemetry.recorder import Recent, RecordedBody, Recorder

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "fluxsync.access")


def exchange(**facts: t.Any) -> Exchange:
    return Exchange(**{**_FACTS, **facts})


_FACTS = {
    "method": "GET",
    "path": "/a",
    "query": "",
    "request_id": "1",
    "client": "127.0.0.1",
    "route": "api",
    "status": 200,
}


def counted(tally: Tally) -> dict[tuple[str, ...], float]:
    """Return all figures but histograms."""
    return {
        (name, *labels): values[0]
        for name, labels, values in tally.figures()
        if name != metrics.REQUEST_DURATION.name
    }


def test_request_is_counted() -> None:
    tally = Tally()
    recorder = Recorder(tally)
    one = exchange(bytes=5)

    recorder.begin(one)
    # It turns out to be something else.
    one.route = "call"
    assert counted(tally) == {(metrics.IN_PROGRESS.name, "api"): 1}
    recorder.end(one)

    assert counted(tally) == {
        (metrics.IN_PROGRESS.name, "api"): 0,
        (metrics.REQUESTS.name, "call", "GET", "2xx"): 1,
        (metrics.RESPONSE_BYTES.name, "call"): 5,
    }
    durations = [f for f in tally.figures() if f[0] == metrics.REQUEST_DURATION.name]
    assert [(labels, sum(values[1:])) for _, labels, values in durations] == [(("call",), 1)]


def test_made_up_method_is_no_label_of_its_own() -> None:
    tally = Tally()
    recorder = Recorder(tally)

    for method in ("FOO", "BAR"):
        recorder.end(exchange(method=method))

    assert counted(tally)[metrics.REQUESTS.name, "api", "other", "2xx"] == 2


def test_life_of_a_websocket_is_no_duration_of_a_request() -> None:
    tally = Tally()

    Recorder(tally).end(exchange(status=101, route="websocket"))

    assert [name for name, _, _ in tally.figures()] == [
        metrics.IN_PROGRESS.name,
        metrics.REQUESTS.name,
    ]


def test_request_that_ends_in_another_process() -> None:
    """Each process counts a part; the sums are those of one process."""
    worker, supervisor = Tally(), Tally()
    here, there = Recorder(worker), Recorder(supervisor)
    one = exchange(status=0)

    here.begin(one)
    here.pass_on(one)
    RecordedBody([b""], one, here).close()
    there.take_over(one)
    one.is_handed_over = False
    there.answered(one)(504, 7, "too slow")

    figures = metrics.add_up(worker.figures(), supervisor.figures())
    found = {(name, *labels): values[0] for name, labels, values in figures}
    assert found[metrics.IN_PROGRESS.name, "api"] == 0
    assert found[metrics.REQUESTS.name, "api", "GET", "5xx"] == 1
    assert found[metrics.RESPONSE_BYTES.name, "api"] == 7
    assert one.error == "too slow"


def test_failed_hop_is_counted_by_its_kind() -> None:
    tally = Tally()
    body = RecordedBody(Body(error=UpstreamTimeout("silent")), exchange(), Recorder(tally))

    with pytest.raises(UpstreamTimeout):
        list(body)
    body.close()

    assert counted(tally)[metrics.UPSTREAM_ERRORS.name, "timeout"] == 1


def test_refusal_is_no_failure_of_streamlits() -> None:
    tally = Tally()

    Recorder(tally).end(exchange(status=503, failure=BUSY))

    found = counted(tally)
    assert found[metrics.REFUSALS.name, "api"] == 1
    assert metrics.UPSTREAM_ERRORS.name not in [name for name, *_ in found]


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        pytest.param({}, logging.INFO, id="request"),
        pytest.param({"status": 101}, None, id="its own lines say so"),
        pytest.param({"route": "tunnel"}, logging.DEBUG, id="piece of a tunnel"),
        pytest.param({"route": "tunnel", "status": 404}, logging.INFO, id="failed piece"),
        pytest.param({"is_logged": False}, None, id="not wanted where it began"),
    ],
)
def test_level_of_the_line(
    caplog: pytest.LogCaptureFixture, facts: dict[str, t.Any], level: int | None
) -> None:
    Recorder().end(exchange(**facts))

    assert [line.levelno for line in caplog.records] == ([] if level is None else [level])


def test_access_log_that_is_off(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(log=False)
    one = exchange()

    recorder.begin(one)
    recorder.end(one)

    assert not recorder.is_active
    assert caplog.records == []


def test_last_requests_are_remembered() -> None:
    recent = Recent(2)
    recorder = Recorder(recent=recent)

    for path in ("/1", "/2", "/3"):
        recorder.end(exchange(path=path, query="token=geheim"))

    assert [entry["target"] for entry in recent.entries()] == ["/2?token=***", "/3?token=***"]


def test_little_is_remembered_of_much() -> None:
    """The supervisor cuts off a worker whose report has megabytes."""
    recent = Recent(1)

    recent.add(exchange(method="A" * 9999, path="/" * 9999, error="x" * 9999))

    assert len(str(recent.entries())) < 4000


class Body:
    """A response body that notes its end."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed += 1


def test_body_is_recorded_when_it_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    body = Body(b"abc", b"de")
    recorded = RecordedBody(body, exchange(), Recorder())

    assert list(recorded) == [b"abc", b"de"]
    assert caplog.records == []

    recorded.close()
    recorded.close()
    assert [vars(line)["bytes"] for line in caplog.records] == [5]
    assert body.closed == 2


def test_body_that_is_not_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    recorded = RecordedBody([b"abc", b"de"], exchange(), Recorder())

    next(iter(recorded))
    recorded.close()

    assert vars(caplog.records[0])["bytes"] == 3


def test_body_that_breaks_off(caplog: pytest.LogCaptureFixture) -> None:
    recorded = RecordedBody(Body(b"abc", error=OSError("gone")), exchange(), Recorder())

    with pytest.raises(OSError, match="gone"):
        list(recorded)
    recorded.close()

    assert vars(caplog.records[0])["error"] == "OSError: gone"


def test_close_that_fails_is_recorded_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Body):
        def close(self) -> t.NoReturn:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        RecordedBody(Broken(), exchange(), Recorder()).close()

    assert len(caplog.records) == 1
