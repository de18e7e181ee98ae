"""What operators see: figures for Prometheus, and a status page."""

from __future__ import annotations

import typing as t

from ..sansio import operators
from ..sansio.operators import Verdict
from ..telemetry import metrics as _metrics
from . import statuspage
from .errors import Failure

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import FluxSyncSettings
    from ..config.platform import Platform
    from ..process.client import SupervisorClient
    from ..telemetry.metrics import Figure
    from ..telemetry.recorder import Recorder
    from ..typing import Headers, StartResponse
    from .request import Request

    Answer: t.TypeAlias = t.Callable[[Request], tuple[bytes, str]]

#: Seconds that the supervisor may take; it waits for the workers a part of that.
_PATIENCE = 3.0
#: What only waitress adds to an environ.
_WAITRESS = "waitress.client_disconnected"
#: What it says isn't for caches, frames, or other sites.
_HEADERS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("Referrer-Policy", "no-referrer"),
    ("Vary", "Accept, Authorization"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]


class Operations:
    """Answers operators, and nobody else. Thread-safe.

    :param recorder: What this process has counted and seen.
    :param platform: The host around this process.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        supervisor: SupervisorClient,
        recorder: Recorder,
        platform: Platform,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._recorder = recorder
        self._platform = platform
        scrape = settings.enable_gateway_prometheus_metrics
        #: What is at which path; without an answer, there's nothing, and no page of Streamlit's.
        self._answers: dict[str, Answer | None] = {
            settings.gateway_prometheus_metrics_path: self._metrics if scrape else None,
            statuspage.PATH: self._status if settings.debug else None,
        }

    def __contains__(self, path: str) -> bool:
        return path in self._answers

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request.

        :raise Failure: It isn't an operator's, or there's nothing to see.
        """
        request.exchange.route = "internal"
        answer = self._answers[request.path]
        if answer is None:
            raise Failure(404, "there is nothing here")
        self._refuse_others(request)
        if request.method not in ("GET", "HEAD"):
            raise Failure(405, "this is only to be read", [("Allow", "GET, HEAD")])
        body, content_type = answer(request)
        headers: Headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        start_response("200 OK", [*headers, *_HEADERS])
        return [b"" if request.method == "HEAD" else body]

    def report(self) -> dict[str, t.Any]:
        """Return what this process has counted, and which requests it has answered last."""
        tally, recent = self._recorder.tally, self._recorder.recent
        return {
            "figures": tally.figures() if tally is not None else [],
            "recent": recent.entries() if recent is not None else [],
        }

    def _refuse_others(self, request: Request) -> None:
        token = self._settings.operations_token
        peer = request.environ.get("REMOTE_ADDR") or ""
        # A platform's proxy is on this machine, and whoever comes through it comes from loopback.
        # waitress takes away what proxies say (clear_untrusted_proxy_headers), so that whoever
        # comes through one looks like somebody who doesn't.
        if not token and (self._platform.name or _WAITRESS in request.environ):
            raise Failure(403, "set operations_token to see this here")
        protocol = request.environ.get("SERVER_PROTOCOL", "")
        verdict = operators.judge(token, peer, protocol, request.header)
        if verdict is Verdict.TOKEN_MISSING:
            challenge = 'Basic realm="fluxsync", charset="UTF-8"'
            raise Failure(
                401,
                "this needs operations_token, as a bearer's token or as the password",
                [("WWW-Authenticate", challenge), ("WWW-Authenticate", 'Bearer realm="fluxsync"')],
            )
        if verdict is Verdict.ELSEWHERE:
            raise Failure(
                403, "this is for requests of this machine, unless operations_token is set"
            )

    def _overview(self) -> dict[str, t.Any]:
        """Return what all processes have counted; empty if the supervisor doesn't say."""
        return self._supervisor.ask("overview", _PATIENCE)

    def _metrics(self, request: Request) -> tuple[bytes, str]:
        from . import metrics  # the client library takes a while to import

        overview = self._overview()
        if not overview:
            # Those of one worker are less than those of all, which looks as if all had begun anew.
            raise Failure(503, "there is no supervisor at the moment", [("Retry-After", "1")])
        figures: list[Figure] = _metrics.parse_figures(overview["figures"])
        figures += metrics.state_figures(overview["status"])
        return metrics.encode(figures, request.header("accept"))

    def _status(self, request: Request) -> tuple[bytes, str]:
        overview = self._overview() or {**self.report(), "status": {}}
        status = statuspage.describe(self._settings, self._platform, overview)
        return statuspage.render(status, request.header("accept"), request.target.query or "")
