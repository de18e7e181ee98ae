"""Names for types that occur in several layers."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    __all__ = ["Headers", "StartResponse", "WSGIApplication", "WSGIEnvironment"]

#: Header fields in the order of the wire; names may repeat.
Headers: t.TypeAlias = "list[tuple[str, str]]"
