"""What is said to all requests and answers, whoever answers: hosts, CORS, careful browsers."""

from __future__ import annotations

import secrets
import typing as t

from ..sansio.cors import HEADERS, METHODS, Cors, is_preflight
from ..sansio.hosts import Hosts
from ..sansio.protection import Added, Protection
from ..sansio.routing import Route
from .errors import Failure
from .page import proxy_nonce

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import FluxSyncSettings
    from ..typing import Headers, StartResponse
    from .request import Request

#: Probes know an address, and not the name.
_FOR_PROBES = (Route.HEALTH, Route.READY)
#: What pages of other origins may be let read. Not fluxsync's own pages: who may see those is
#: decided by the address, which is that of the person who looks at a foreign page.
_FOR_OTHERS = (Route.API, Route.STREAMLIT, *_FOR_PROBES)


class Guards:
    """Refuses requests for foreign hosts, answers preflights, and adds fields to all answers.

    Thread-safe.

    :param is_private: Tells paths that pages of other origins never get anything of.
    """

    def __init__(self, settings: FluxSyncSettings, is_private: t.Callable[[str], bool]) -> None:
        self._is_private = is_private
        self._hosts = Hosts(settings.allowed_hosts) if settings.allowed_hosts else None
        own = settings.security_headers if settings.enable_security_headers else None
        self._protection = Protection(own, settings.content_security_policy)
        self._nonce_field = settings.gateway_csp_nonce_header
        self._cors: Cors | None = None
        if settings.cors_allow_origins:
            self._cors = Cors(
                frozenset(settings.cors_allow_origins),
                settings.cors_allow_credentials,
                settings.cors_allow_methods or METHODS,
                settings.cors_allow_headers or HEADERS,
                settings.cors_expose_headers,
                settings.cors_max_age_s,
            )

    def protect(self, request: Request, start_response: StartResponse) -> StartResponse:
        """Return a ``start_response`` that adds what belongs to a request's answer."""
        nonce = ""
        if self._protection.has_nonce:
            # A trusted proxy has a policy of its own, and browsers obey both.
            nonce = proxy_nonce(request, self._nonce_field) or secrets.token_urlsafe(16)
        request.nonce = nonce
        cors = self._cors_of(request)
        request.added = Added(
            self._protection.fields(request.client.scheme, nonce),
            tuple(cors.fields(request.header("origin"))) if cors is not None else None,
        )

        def respond(status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
            headers = request.added.to(headers)
            return (
                start_response(status, headers, exc_info)
                if exc_info
                else start_response(status, headers)
            )

        return t.cast("StartResponse", respond)

    def protect_unread(self, start_response: StartResponse) -> StartResponse:
        """As :meth:`protect`, for a request that can't be read."""
        added = Added(self._protection.fields("http", secrets.token_urlsafe(16)))
        return lambda status, headers, *rest: start_response(status, added.to(headers), *rest)

    def answer(self, request: Request, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer a preflight; ``None`` is for all other requests.

        :param start_response: From :meth:`protect`.
        :raise Failure: The request isn't for this site, or not for this page.
        """
        if (
            self._hosts is not None
            and request.route not in _FOR_PROBES
            and not self._hosts.allows(request.client.host)
        ):
            raise Failure(400, "there is no such site here (allowed_hosts)")
        cors = self._cors_of(request)
        origin = request.header("origin")
        method = request.header("access-control-request-method")
        if cors is None or not is_preflight(request.method, origin, method):
            return None
        found = cors.preflight(origin, method, request.header("access-control-request-headers"))
        request.added = request.added._replace(cors=tuple(found.fields))
        if found.refusal:
            raise Failure(403, found.refusal)
        # RFC 9110 8.6: no Content-Length with a 204.
        start_response("204 No Content", [])
        return []

    def _cors_of(self, request: Request) -> Cors | None:
        if self._cors is None or request.route not in _FOR_OTHERS:
            return None
        return None if self._is_private(request.path) else self._cors


def find_guards(settings: FluxSyncSettings, is_private: t.Callable[[str], bool]) -> Guards | None:
    """Return what the settings want, or ``None`` if that's nothing.

    :param is_private: As for :class:`Guards`.
    """
    wanted = (
        settings.enable_security_headers
        or settings.content_security_policy
        or settings.cors_allow_origins
        or settings.allowed_hosts
    )
    return Guards(settings, is_private) if wanted else None
