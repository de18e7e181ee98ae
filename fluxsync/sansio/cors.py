"""Which pages of other origins may read what is answered (WHATWG Fetch 3.3, "CORS"). No I/O.

This is about reading, and about requests that a form couldn't send. Who may open WebSockets and
change something is :mod:`.origins`' matter.
"""

from __future__ import annotations

import dataclasses
import typing as t

from . import headers as _headers

if t.TYPE_CHECKING:
    from ..typing import Headers

#: In place of names: all.
ANY = "*"

#: Methods that are allowed unless the settings name others.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: The same for fields: those that need no permission (Fetch, "CORS-safelisted request-header",
#: of which ``Content-Type`` may be JSON then), and those of clients of an API.
HEADERS = (
    "accept",
    "accept-language",
    "authorization",
    "content-language",
    "content-type",
    "x-request-id",
)

#: How the names of all fields begin that tell a browser what it may do.
PREFIX = "access-control-"

#: On what the answer to a preflight depends.
_PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class Preflight(t.NamedTuple):
    """The answer to a browser that asks before it sends a request."""

    fields: Headers
    #: Why not; empty if it may.
    refusal: str = ""


def is_preflight(method: str, origin: str, asked_method: str) -> bool:
    """Whether a browser asks, in a page's name, what it may send.

    :param asked_method: The ``Access-Control-Request-Method`` field.
    """
    return method == "OPTIONS" and bool(origin and asked_method)


@dataclasses.dataclass(frozen=True)
class Cors:
    """Who may read and ask for what.

    :ivar origins: As browsers write them, or :data:`ANY`.
    :ivar methods: In upper case, or :data:`ANY`.
    :ivar headers: In lower case, or :data:`ANY`.
    :ivar exposed: Fields of answers that pages may read besides the usual ones.
    :ivar max_age: Seconds for which browsers may remember a permission.
    """

    origins: frozenset[str]
    credentials: bool = False
    methods: tuple[str, ...] = METHODS
    headers: tuple[str, ...] = HEADERS
    exposed: tuple[str, ...] = ()
    max_age: int = 600

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin may read answers."""
        return bool(origin) and (ANY in self.origins or origin in self.origins)

    def fields(self, origin: str) -> Headers:
        """Return the fields of any answer.

        :param origin: The ``Origin`` field, or ``""``.
        """
        # Always, or a cache would give one origin's answer to another one.
        vary = ("Vary", "Origin")
        if not self.allows(origin):
            return [vary]
        fields = [vary, *self._allowing(origin)]
        if self.exposed:
            fields.append(("Access-Control-Expose-Headers", ", ".join(self.exposed)))
        return fields

    def preflight(self, origin: str, method: str, names: str) -> Preflight:
        """Return the answer to a preflight.

        :param method: The ``Access-Control-Request-Method`` field.
        :param names: The ``Access-Control-Request-Headers`` field.
        """
        vary = ("Vary", _PREFLIGHT_VARY)
        if not self.allows(origin):
            return Preflight([vary], "pages of this origin may not read it (cors_allow_origins)")
        if ANY not in self.methods and method not in self.methods:
            refusal = "pages of other origins may not use this method (cors_allow_methods)"
            return Preflight([vary, *self._allowing(origin)], refusal)
        asked = _headers.tokens(names)
        if ANY not in self.headers and not set(asked) <= set(self.headers):
            refusal = "pages of other origins may not send these fields (cors_allow_headers)"
            return Preflight([vary, *self._allowing(origin)], refusal)
        if not all(map(_headers.is_name, [method, *asked])):
            return Preflight([vary], "the preflight is malformed")
        methods = [method] if ANY in self.methods else self.methods
        fields = [
            vary,
            *self._allowing(origin),
            ("Access-Control-Allow-Methods", ", ".join(methods)),
            ("Access-Control-Max-Age", str(self.max_age)),
        ]
        if asked:
            allowed = asked if ANY in self.headers else self.headers
            fields.append(("Access-Control-Allow-Headers", ", ".join(allowed)))
        return Preflight(fields)

    def _allowing(self, origin: str) -> Headers:
        fields = [("Access-Control-Allow-Origin", ANY if ANY in self.origins else origin)]
        if self.credentials:
            fields.append(("Access-Control-Allow-Credentials", "true"))
        return fields
