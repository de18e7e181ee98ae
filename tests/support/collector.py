"""A collector of traces: what an OTLP/HTTP exporter sends to."""

from __future__ import annotations

import gzip
import http.server
import threading
import typing as t
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.leaks import Service
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Span:
    """A span as it was sent."""

    name: str
    trace: str
    id: str
    parent: str
    #: Nanoseconds since 1970.
    began: int
    ended: int
    attributes: dict[str, t.Any]
    #: Of the process.
    resource: dict[str, t.Any]

    @property
    def pid(self) -> int:
        """The process that has made it."""
        return int(self.resource["process.pid"])


class Collector(Service):
    """Takes spans; a context manager."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector._spans += _decode(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        # Connections end with their answers (HTTP/1.0), and so do their threads.
        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """Variables for those that are to send their spans here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}"}

    def all(self, name: str) -> list[Span]:
        """Return the spans of a name that have come."""
        return [span for span in [*self._spans] if span.name == name]

    def wait_for(self, name: str, **attributes: t.Any) -> Span:
        """Return the first span of a name that has these attributes, ``_`` for ``.``."""

        def find() -> Span | None:
            for span in self.all(name):
                facts = {key.replace(".", "_"): value for key, value in span.attributes.items()}
                if attributes.items() <= facts.items():
                    return span
            return None

        return eventually(find, 20, lambda: f"{name} {attributes} in {self._spans}")


def _decode(body: bytes) -> list[Span]:
    message: t.Any = ExportTraceServiceRequest.FromString(body)
    return [
        Span(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            _values(span.attributes),
            _values(resource.resource.attributes),
        )
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _values(attributes: t.Any) -> dict[str, t.Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}
