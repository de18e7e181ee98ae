"""Traces of the gateway, the API and pages, in one process."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
import typing as t

import flask
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fluxsync import ConfigError, FluxSync, FluxSyncSettings, trace_span
from fluxsync.telemetry import opentelemetry, tracers, tracing
from fluxsync.testing import FakeStreamlit, FluxSyncTestClient
from tests.support.collector import Collector
from tests.support.processes import environment
from tests.support.waiting import FACTOR

if t.TYPE_CHECKING:
    from collections.abc import Iterator

TRACE, SPAN = "1" * 31 + "a", "2" * 15 + "b"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """What gets the spans of the application's own provider, of which a process has one."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


class Spans:
    """The spans that have ended, by their names."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def __call__(self, name: str) -> ReadableSpan:
        (found,) = self.all(name)
        return found

    def all(self, name: str) -> list[ReadableSpan]:
        return [s for s in self._exporter.get_finished_spans() if s.name == f"fluxsync.{name}"]


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[Spans]:
    exporter.clear()
    yield Spans(exporter)
    tracers.set_tracer(None)


def context(span: ReadableSpan) -> trace.SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def fields(span: ReadableSpan) -> str:
    """Return the span as ``traceparent``."""
    found = context(span)
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def span_id(span: ReadableSpan) -> str:
    return f"{context(span).span_id:016x}"


def is_in(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    same = context(inner).trace_id == context(outer).trace_id
    return same and inner.parent is not None and inner.parent.span_id == context(outer).span_id


def make() -> FluxSync:
    app = FluxSync(settings=FluxSyncSettings(enable_opentelemetry=True))
    api: flask.Flask = app.api

    @api.get("/told")
    def told() -> dict[str, t.Any]:
        current = trace.get_current_span().get_span_context()
        with trace_span("fluxsync.own"):
            pass
        names = ("traceparent", "tracestate")
        own = f"{current.span_id:016x}"
        return {"own": own, **{name: flask.request.headers.get(name) for name in names}}

    @api.get("/lines")
    def lines() -> t.Any:
        def pieces() -> Iterator[str]:
            for _ in range(2):
                yield f"{trace.get_current_span().get_span_context().span_id:016x}\n"

        return api.response_class(pieces())

    @api.get("/again")
    def again() -> t.Any:
        return app.get_client().get("/told").json()

    @app.page("/")
    def home(st: t.Any, client: t.Any) -> None:
        st.text(client.get("/told").json()["traceparent"])
        if st.button("Fail"):
            raise LookupError("secret")
        st.stop()

    return app


@pytest.fixture
def client(spans: Spans) -> Iterator[FluxSyncTestClient]:
    with FluxSyncTestClient(make()) as client:
        yield client


def test_trace_goes_through(spans: Spans, client: FluxSyncTestClient) -> None:
    """From the client to the view, and to what the view does."""
    headers = {"traceparent": PARENT, "tracestate": "vendor=x", "X-Request-Id": "i"}
    told = client.api.get("/told?token=secret", headers=headers).json
    request, api, own = spans("gateway.request"), spans("api"), spans("own")

    assert request.parent is not None
    assert fields(request).split("-")[1] == TRACE
    assert f"{request.parent.span_id:016x}" == SPAN
    assert is_in(api, request)
    assert is_in(own, api)
    assert told == {"own": span_id(api), "traceparent": fields(api), "tracestate": "vendor=x"}
    assert request.kind is trace.SpanKind.SERVER
    assert request.attributes == {
        "fluxsync.dispatch": "api",
        "fluxsync.request_id": "i",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/api/told",
        "client.address": "127.0.0.1",
    }
    assert request.status.status_code is trace.StatusCode.UNSET


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"traceparent": ""},
        {"traceparent": "00-" + "0" * 32 + f"-{SPAN}-01"},
        {"traceparent": f"ff-{TRACE}-{SPAN}-01"},
        {"traceparent": f"{PARENT},{PARENT}"},
        {"traceparent": "x" * 5000},
        {"traceparent": "\xe4", "tracestate": "=,=\xff"},
        {"tracestate": "vendor=x"},
    ],
)
def test_malformed_trace_is_ignored(
    spans: Spans, client: FluxSyncTestClient, sent: dict[str, str]
) -> None:
    told = client.api.get("/told", headers=sent).json

    request = spans("gateway.request")
    assert request.parent is None
    api = spans("api")
    assert told == {"own": span_id(api), "traceparent": fields(api), "tracestate": None}


def test_malformed_tracestate_is_left_out(spans: Spans, client: FluxSyncTestClient) -> None:
    told: t.Any = client.api.get(
        "/told", headers={"traceparent": PARENT, "tracestate": "\xff"}
    ).json

    assert told["traceparent"].split("-")[1] == TRACE
    assert told["tracestate"] is None


def test_streamlit_is_told(spans: Spans) -> None:
    with (
        FakeStreamlit() as streamlit,
        FluxSyncTestClient(make(), streamlit_upstream=streamlit) as client,
    ):
        client.http.get("/page", headers={"traceparent": PARENT, "tracestate": "vendor=x"})
        received = streamlit.requests[-1]

    upstream = spans("gateway.upstream_http")
    assert is_in(upstream, spans("gateway.request"))
    assert upstream.kind is trace.SpanKind.CLIENT
    told = [(k, v) for k, v in received.headers if k.lower().startswith("trace")]
    assert told == [("traceparent", fields(upstream)), ("tracestate", "vendor=x")]


def test_streamed_body_is_in_the_span(spans: Spans, client: FluxSyncTestClient) -> None:
    """Also while others are answered in its thread; and nothing is left there."""
    first = client.api.get("/lines", buffered=False)
    pieces = iter(first.response)
    lines = [next(pieces)]
    assert not trace.get_current_span().get_span_context().is_valid
    client.api.get("/told")
    assert [spans.all("gateway.request")[0].attributes["url.path"]] == ["/api/told"]  # type: ignore[index]
    lines += pieces
    first.close()

    streamed = spans.all("api")[1]
    own = f"{context(streamed).span_id:016x}\n".encode()
    assert lines == [own, own]
    assert not trace.get_current_span().get_span_context().is_valid


def test_requests_of_many_threads_have_traces_of_their_own(
    spans: Spans, client: FluxSyncTestClient
) -> None:
    threads = [threading.Thread(target=client.api.get, args=["/told"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    requests = {context(span).trace_id: span for span in spans.all("gateway.request")}
    assert len(requests) == 8
    assert all(is_in(api, requests[context(api).trace_id]) for api in spans.all("api"))


def test_span_around_the_gateway_is_the_parent(spans: Spans, client: FluxSyncTestClient) -> None:
    """Of a middleware that has read the client's fields already, say."""
    with trace.get_tracer("test").start_as_current_span("fluxsync.outer"):
        client.api.get("/told", headers={"traceparent": PARENT})

    assert is_in(spans("gateway.request"), spans("outer"))


def test_page_and_its_calls(spans: Spans, client: FluxSyncTestClient) -> None:
    at = client.streamlit()
    assert not at.exception
    page, request, api = spans("page"), spans("gateway.request"), spans("api")

    assert is_in(request, page)
    assert is_in(api, request)
    assert [text.value for text in at.text] == [fields(api)]
    assert page.attributes is not None
    assert page.attributes["fluxsync.page.path"] == "/"
    assert request.attributes is not None
    assert request.attributes["fluxsync.dispatch"] == "call"
    # The page ended with st.stop().
    assert page.status.status_code is trace.StatusCode.UNSET

    at.button[0].click().run()
    failed = spans.all("page")[1]
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "LookupError"
    assert "secret" not in failed.to_json()


def test_calls_say_what_they_are_told_to(spans: Spans, client: FluxSyncTestClient) -> None:
    answer = client.client().get("/told", headers={"Traceparent": PARENT})

    assert answer.json()["traceparent"].split("-")[1] == TRACE


def test_websocket_that_is_closed(spans: Spans) -> None:
    """Told by another process: it has the times of the WebSocket, in the handshake's trace."""
    opentelemetry.enable("test", "code")
    now = time.time_ns()
    tracing.record(
        {
            "name": "fluxsync.websocket",
            "trace": {"traceparent": PARENT},
            "attributes": {"fluxsync.websocket.close_code": 1011},
            "began": now - 5 * 10**9,
            "ended": now,
            "error": "1011",
        }
    )

    span = spans("websocket")
    assert (span.start_time, span.end_time) == (now - 5 * 10**9, now)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == SPAN
    assert span.status.status_code is trace.StatusCode.ERROR


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "zipkin"},
            "OTEL_TRACES_EXPORTER='zipkin' from environment: expected an exporter that is installed",
            id="exporter",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_PROTOCOL='http/json' from environment: expected an exporter",
            id="protocol",
        ),
    ],
)
def test_wrong_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=re.escape(message)):
        make()


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)

    with pytest.raises(ConfigError, match=r"^enable_opentelemetry=True from .*fluxsync\[opentel"):
        make()


#: A process that has loaded the application, and makes spans in one that it forks.
PROGRAM = """
import os, sys
from fluxsync import FluxSync, FluxSyncSettings, trace_span
from fluxsync.telemetry import opentelemetry
opentelemetry._PATIENCE = float(sys.argv[1])
FluxSync(title="Shop", settings=FluxSyncSettings(enable_opentelemetry=True))
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
with trace_span("own"):
    pass
"""


def run(env: dict[str, str], patience: float) -> None:
    """Run the program, which ends without an error, and long before an exporter gives up.

    :param patience: Seconds that its end waits for the collector.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(patience)],
        env=environment({"OTEL_EXPORTER_OTLP_TIMEOUT": "3600", **env}),
        check=True,
        timeout=60 * FACTOR,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr


def test_last_spans_are_sent() -> None:
    """They'd go out in an hour; the process ends before."""
    with Collector() as collector:
        run({"OTEL_BSP_SCHEDULE_DELAY": "3600000", **collector.environment}, 3600)
        (span,) = collector.all("own")

    assert span.resource["service.name"] == "Shop"


def test_process_ends_soon_while_the_collector_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        run({"OTEL_EXPORTER_OTLP_ENDPOINT": address}, 1)
