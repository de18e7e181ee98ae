"""What clients get when something is wrong: a page, a problem document, or a line."""

from __future__ import annotations

import html
import json
import pathlib
import string
import typing as t

from ..exceptions import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from ..sansio import exchanges
from ..sansio.routing import Route
from ..sansio.supervision import State
from ..telemetry.redaction import redact_text

if t.TYPE_CHECKING:
    from ..sansio.balancing import Table
    from ..typing import Headers, StartResponse
    from .request import Request

_PAGE = string.Template(pathlib.Path(__file__).with_name("error.html").read_text(encoding="utf-8"))

#: What metrics call it when there's no Streamlit to send a request to.
NOT_READY = "not_ready"

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    426: "Upgrade Required",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Failure(Exception):
    """A request ends here, with this answer.

    :param status: HTTP status.
    :param detail: What's wrong, for people; it names the setting to change where one helps.
    :param headers: More header fields.
    :param refresh: Seconds after which a browser is to try again; 0 is never.
    :param output: A program's own words.
    :param kind: What metrics call a failure of the hop to Streamlit, or
        :data:`~fluxsync.telemetry.access.BUSY`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Headers | None = None,
        *,
        refresh: int = 0,
        output: str = "",
        kind: str = "",
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers or []
        self.refresh = refresh
        self.output = output
        self.kind = kind

    def respond(
        self, start_response: StartResponse, request: Request | None = None
    ) -> t.Iterable[bytes]:
        """Send it in the form that the client likes best."""
        accept = request.header("accept").lower() if request is not None else ""
        if request is not None and request.route in (Route.API, Route.TUNNEL):
            kind, text = "application/problem+json", self._problem()
        elif "text/html" in accept:
            kind, text = "text/html; charset=utf-8", self._page(request)
        elif "json" in accept:
            kind, text = "application/problem+json", self._problem()
        else:
            kind, text = "text/plain; charset=utf-8", f"{self.detail}\n"
        body = text.encode()
        head = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *self.headers,
        ]
        if request is not None and request.route is Route.TUNNEL:
            # The page's script tells fluxsync's word from some proxy's by it.
            head.append((exchanges.FIELD, "1"))
        start_response(f"{self.status} {TITLES[self.status]}", head)
        return [b"" if request is not None and request.method == "HEAD" else body]

    def _problem(self) -> str:
        problem = {"title": TITLES[self.status], "status": self.status, "detail": self.detail}
        return json.dumps({"type": "about:blank", **problem})

    def _page(self, request: Request | None) -> str:
        refresh = f'<meta http-equiv="refresh" content="{self.refresh}">' if self.refresh else ""
        output = f"<pre>{html.escape(self.output)}</pre>" if self.output else ""
        return _PAGE.substitute(
            refresh=refresh,
            title=html.escape("Starting" if self.refresh else TITLES[self.status]),
            detail=html.escape(self.detail),
            output=output,
            request_id=html.escape(request.request_id if request is not None else ""),
        )


def from_upstream(error: UpstreamError) -> Failure:
    """Return the answer to a failed hop to Streamlit."""
    if isinstance(error, UpstreamTimeout):
        return Failure(504, str(error), kind=error.kind)
    if isinstance(error, UpstreamUnavailable):
        return Failure(502, f"Streamlit can't be reached: {error}", kind=error.kind)
    return Failure(502, f"Streamlit's answer can't be used: {error}", kind=error.kind)


def not_ready(table: Table) -> Failure:
    """Return the answer while no replica can take requests."""
    given_up = [row for row in table.rows if row.state is State.FATAL]
    if given_up and len(given_up) == len(table.rows):
        return Failure(
            503,
            "Streamlit does not start. The API is not affected.",
            [("Retry-After", "30")],
            output=redact_text(given_up[0].reason),
            kind=NOT_READY,
        )
    return Failure(
        503,
        "Streamlit is starting; this page tries again.",
        [("Retry-After", "1")],
        refresh=1,
        kind=NOT_READY,
    )
