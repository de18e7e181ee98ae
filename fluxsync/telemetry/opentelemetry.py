"""OpenTelemetry: the tracer of a process, and what it needs before and after.

Only this module imports the packages, and only where the setting ``enable_opentelemetry`` is on.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.metadata
import os
import threading
import typing as t

from ..exceptions import ConfigError
from . import tracers

if t.TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_SETTING = "enable_opentelemetry"
_NEEDED = ("opentelemetry.trace", "opentelemetry.sdk.trace.export")
#: Seconds that a process which ends waits until its last spans are sent.
_PATIENCE = 2.0
_EXPORTERS = "opentelemetry_traces_exporter"
#: What the specification calls exporters, and what they're called as entry points.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def enable(service: str, source: str) -> None:
    """Have this process and those that it forks make spans with OpenTelemetry.

    Starts nothing: that's done with the first span.

    :param service: ``service.name``, if the environment doesn't say it.
    :param source: Where the setting comes from, for the error.
    :raise ConfigError: A package is missing, or a variable of OpenTelemetry's is wrong.
    """
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            _refuse(_SETTING, True, source, "the packages: pip install 'fluxsync[opentelemetry]'")
    _exporters()
    tracers.set_tracer(lambda: OpenTelemetry(service))


def _exporters() -> list[type[SpanExporter]]:
    """Return the classes of the exporters that the environment names.

    :raise ConfigError: There's no such exporter.
    """
    found = []
    for name in os.environ.get("OTEL_TRACES_EXPORTER", "").split(",") or [""]:
        name = name.strip() or "otlp"
        variable, point = "OTEL_TRACES_EXPORTER", name
        if name == "none":
            continue
        if name == "otlp":
            variable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
            if variable not in os.environ:
                variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
            name = os.environ.get(variable, "").strip() or "http/protobuf"
            point = _OTLP.get(name, name)
        entries = [*importlib.metadata.entry_points(group=_EXPORTERS, name=point)]
        if not entries:
            _refuse(variable, name, "environment", "an exporter that is installed")
        found.append(entries[0].load())
    return found


def _refuse(name: str, value: object, source: str, expected: str) -> t.NoReturn:
    raise ConfigError(name, value, source=source, expected=expected) from None


def _make_provider(service: str) -> TracerProvider:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    said = OTELResourceDetector().detect().attributes
    own = {"service.name": service} if "service.name" not in said else {}
    provider = TracerProvider(
        resource=Resource.create({**own, "process.pid": os.getpid()}), shutdown_on_exit=False
    )
    for exporter in _exporters():
        provider.add_span_processor(BatchSpanProcessor(exporter()))
    _Flush(provider)
    return provider


class _Flush:
    """Sends the last spans when the process ends, and gives up after a moment.

    The SDK's own way waits for a collector that is away as long as the exporter does.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._pid = os.getpid()
        self._ends = threading.Event()
        self._is_done = threading.Event()
        # It's there from the start: a process that ends starts no threads (Python 3.12).
        threading.Thread(target=self._wait, name="fluxsync-traces", daemon=True).start()
        atexit.register(self._end)

    def _wait(self) -> None:
        self._ends.wait()
        with contextlib.suppress(Exception):
            self._provider.shutdown()
        self._is_done.set()

    def _end(self) -> None:
        if self._pid == os.getpid():  # else it's a fork, without the thread
            self._ends.set()
            self._is_done.wait(_PATIENCE)


class OpenTelemetry:
    """The tracer of one process; made in it, after any fork.

    The application's own provider is used if it has set one. Else one is made, as the standard
    variables say, and made the global one: libraries that are instrumented use it, too.
    """

    def __init__(self, service: str) -> None:
        from opentelemetry import context, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(_make_provider(service))
        self._context, self._trace = context, trace
        self._tracer = trace.get_tracer("fluxsync")
        self._fields = TraceContextTextMapPropagator()
        self._kinds = {
            "server": trace.SpanKind.SERVER,
            "client": trace.SpanKind.CLIENT,
            "internal": trace.SpanKind.INTERNAL,
        }

    def begin(
        self,
        name: str,
        attributes: t.Mapping[str, t.Any],
        kind: str,
        parent: t.Mapping[str, str] | None,
        time: int | None,
    ) -> _Span:
        """Begin a span."""
        context: Context | None = None
        if parent is not None and not self._current().is_valid:
            context = self._fields.extract(parent, self._context.Context())
        span = self._tracer.start_span(
            name, context, self._kinds[kind], dict(attributes), start_time=time
        )
        return _Span(span, self._trace, self._context)

    def _current(self) -> t.Any:
        return self._trace.get_current_span().get_span_context()

    def fields(self) -> dict[str, str]:
        """Return the current span's fields."""
        fields: dict[str, str] = {}
        self._fields.inject(fields)
        return fields


class _Span:
    """A span of the API's, with the API's modules, which are imported nowhere else."""

    def __init__(self, span: Span, trace: t.Any, context: t.Any) -> None:
        self._span = span
        self._trace = trace
        self._context = context

    def set_attribute(self, name: str, value: t.Any) -> None:
        self._span.set_attribute(name, value)

    def attach(self) -> t.Any:
        return self._context.attach(self._trace.set_span_in_context(self._span))

    def detach(self, token: t.Any) -> None:
        self._context.detach(token)

    def end(self, error: str, time: int | None) -> None:
        if error:
            # Not the exception itself: nobody knows what its text has in it.
            self._span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        self._span.end(time)
