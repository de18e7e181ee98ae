"""Proxy HTTP requests to Streamlit, streamed in both directions."""

from __future__ import annotations

import typing as t

from ..exceptions import UpstreamError
from ..sansio import balancing, origins, rewriting
from ..sansio import headers as _headers
from ..sansio.framing import Framing, request_framing
from ..telemetry import spans, tracing
from ..upstream.adapter import BodyAborted, GatewayAdapter, GatewayRequest, GatewayResponse
from ..upstream.connections import Pool
from . import misplaced
from .admission import find_places
from .errors import Failure, from_upstream, not_ready
from .page import Pages
from .reading import BodyLost, ClientInput, broken_off, make_pace
from .truncation import ResettingBody, ends_with_connection
from .uploads import SlowUploads

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..config import FluxSyncSettings
    from ..sansio.balancing import Row, Table
    from ..typing import Headers, StartResponse
    from .handover import HandOver
    from .request import Request


#: Bytes of a request's body per read: large enough to be cheap, small enough to go on at once.
_CHUNK = 64 * 1024


class TooLarge(BodyAborted):
    """The request's body is larger than allowed."""


class Unread(BodyAborted):
    """The request's body doesn't come, or can't be read.

    :param failure: What the client is to be told.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class StreamlitProxy:
    """Forwards requests to the replica they belong to.

    Thread-safe.

    :param table: Returns the current table of replicas.
    :param allowed: Origins that are welcome besides the one that was asked.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        table: t.Callable[[], Table],
        hand_over: HandOver,
        allowed: t.Collection[str],
    ) -> None:
        self._settings = settings
        self._table = table
        self._uploads = SlowUploads(settings, hand_over)
        self._pages = Pages(settings)
        self._places = find_places(settings, "gateway_max_concurrent_upstream_http")
        self._adapters: dict[tuple[str, int], GatewayAdapter] = {}
        self._allowed = allowed

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request with Streamlit's answer.

        :raise Failure: There's none, or the request isn't allowed.
        """
        self._refuse_cross_site(request)
        settings = self._settings
        body = RequestBody(request, settings, settings.gateway_max_proxy_request_body_bytes)
        table = self._table()
        row = request.choose(table)
        if row is None:
            raise not_ready(table)
        request.exchange.replica = row.id
        if self._places is not None:
            request.place = self._places.take()
        if body.framing.length:
            left = self._uploads.leave(request, row, body.framing.length, start_response)
            if left is not None:
                return left
        may_be_page = self._pages.may_answer(request)
        response = self._send(request, body, row, may_be_page)
        if misplaced.drops_slash(request, response.body.head, _authorities(request, row)):
            response.body.close()
            return misplaced.redirect(request, start_response)
        fields = _fields(request, response, row)
        if may_be_page:
            fields = self._edit(request, response, fields)
        start_response(f"{response.status_code} {response.reason or 'Unknown'}", fields)
        body_ends_unseen = response.body.remaining is None and request.method != "HEAD"
        if body_ends_unseen and ends_with_connection(request.environ):
            return ResettingBody(response.body, request.environ)
        return response.body

    def _refuse_cross_site(self, request: Request) -> None:
        if request.method in origins.SAFE_METHODS:
            return
        origin = request.header("origin")
        if origins.is_cross_site(
            request.method,
            origin,
            request.header("sec-fetch-site"),
            request.client.host,
            self._allowed,
        ):
            raise foreign_origin(origin or "another site", request)

    def _edit(self, request: Request, response: GatewayResponse, fields: Headers) -> Headers:
        try:
            return self._pages.edit(request, response, fields)
        except UpstreamError as e:
            response.body.close()
            raise from_upstream(e) from e
        except Failure:
            response.body.close()
            raise

    def _send(
        self, request: Request, body: RequestBody, row: Row, may_be_page: bool
    ) -> GatewayResponse:
        if not tracing.is_wanted():
            return self._ask(request, body, row, may_be_page)
        with spans.begin_upstream(request.exchange, f"{row.host}:{row.port}") as span:
            try:
                response = self._ask(request, body, row, may_be_page)
            except Failure as e:
                span.fail(e.kind or str(e.status))
                raise
            spans.end_upstream(span, response.status_code)
        return response

    def _ask(
        self, request: Request, body: RequestBody, row: Row, may_be_page: bool
    ) -> GatewayResponse:
        framing = body.framing
        fields = [("Host", request.client.host), *request.forwarded_headers()]
        if may_be_page:
            fields = self._pages.ask(request, fields)
        if framing.length == 0:
            fields.append(("Content-Length", "0"))
        outgoing = GatewayRequest(
            request.method,
            str(request.target),
            fields,
            body if framing.has_body else None,
            framing.length,
        )
        try:
            response = self._adapter(row).send(outgoing)
            response.body.prefetch()
        except TooLarge:
            raise body.too_large() from None
        except Unread as e:
            raise e.failure from e
        except UpstreamError as e:
            raise from_upstream(e) from e
        return response

    def close(self) -> None:
        """Close idle connections."""
        for adapter in list(self._adapters.values()):
            adapter.close()

    def _adapter(self, row: Row) -> GatewayAdapter:
        assert row.port is not None
        address = (row.host, row.port)
        adapter = self._adapters.get(address)
        if adapter is None:
            settings = self._settings
            pool = Pool(
                row.host,
                row.port,
                connect_timeout=settings.gateway_upstream_connect_timeout_s or None,
                read_timeout=settings.gateway_upstream_read_timeout_s or None,
                maxsize=settings.gateway_http_pool_maxsize,
            )
            # Threads may make one each; the first stays.
            adapter = self._adapters.setdefault(address, GatewayAdapter(pool))
            self._forget_others(address)
        return adapter

    def _forget_others(self, address: tuple[str, int]) -> None:
        """Close the pools of replicas that have gone."""
        current = {(row.host, row.port) for row in self._table().rows} | {address}
        for old in [known for known in tuple(self._adapters) if known not in current]:
            adapter = self._adapters.pop(old, None)
            if adapter is not None:
                adapter.close()


class RequestBody:
    """A request's body in pieces, which is either whole or an error.

    :param limit: Most bytes that are allowed; 0 is no limit.
    :raise Failure: It's too large, or can't be read.
    """

    def __init__(self, request: Request, settings: FluxSyncSettings, limit: int) -> None:
        environ = request.environ
        self._environ = environ
        self._settings = settings
        self._limit = limit
        try:
            self.framing: Framing = request_framing(
                environ.get("CONTENT_LENGTH", ""),
                environ.get("HTTP_TRANSFER_ENCODING", ""),
                input_terminated=bool(environ.get("wsgi.input_terminated")),
            )
        except ValueError as e:
            raise Failure(400, str(e)) from e
        if limit and (self.framing.length or 0) > limit:
            raise self.too_large()

    def too_large(self) -> Failure:
        """Return the answer to a body over the limit."""
        return Failure(
            413,
            f"the request's body is larger than {self._limit} bytes "
            "(gateway_max_proxy_request_body_bytes)",
        )

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body.

        :raise Unread: It ended before its end, or can't be read.
        :raise TooLarge: It is.
        """
        stream = ClientInput(self._environ, make_pace(self._settings))
        left = self.framing.length
        total = 0
        while left is None or left > 0:
            try:
                chunk = stream.read(_CHUNK if left is None else min(_CHUNK, left))
            except BodyLost as e:
                raise Unread(e.failure) from e
            if not chunk:
                break
            total += len(chunk)
            if self._limit and total > self._limit:
                raise TooLarge
            if left is not None:
                left -= len(chunk)
            yield chunk
        if left:
            raise Unread(broken_off())


def foreign_origin(origin: str, request: Request) -> Failure:
    """Return the answer to a foreign page."""
    return Failure(
        403,
        f"{origin} may not use {request.client.host or 'this server'}: if it's your own page, "
        "let the proxy pass the Host field on, or set public_base_url or allowed_origins",
    )


def _authorities(request: Request, row: Row) -> tuple[str, str]:
    return request.client.host, f"{row.host}:{row.port}"


def _fields(request: Request, response: GatewayResponse, row: Row) -> Headers:
    """Return the response's fields for the client."""
    head = response.body.head
    named = head.named
    is_chunked = "transfer-encoding" in named
    fields = _headers.for_client(head.fields, named.get("connection", ""), is_chunked=is_chunked)
    if "location" in named or "set-cookie" in named:
        authorities = (request.client.host, f"{row.host}:{row.port}")
        fields = rewriting.rewrite(fields, request.target.path, request.cookie_root, authorities)
    is_page = named.get("content-type", "").startswith("text/html") and head.status == 200
    if is_page and request.method == "GET" and request.replica != row.id:
        fields.append(request.set_cookie(balancing.COOKIE, row.id))
    return fields
