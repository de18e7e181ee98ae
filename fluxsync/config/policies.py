"""What settings may say about header fields, foreign origins and hosts."""

from __future__ import annotations

import re
import typing as t

from pydantic import AfterValidator

from ..sansio import headers as _headers
from ..sansio import hosts
from ..sansio.cors import ANY
from ..sansio.protection import CSP, policy_defect
from .fields import Names, Object
from .masking import HidesNamed, HidesPassword

#: Fields that say where a message ends or to whom it goes, or that have a setting of their own.
_NOT_TO_SET = (
    _headers.HOP_BY_HOP
    | _headers.WRITTEN_BY_SERVER
    | {"content-encoding", "content-length", "content-type", "location", "set-cookie", "vary"}
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/:]+|\[[^/]+\])(?::(?P<port>[0-9]{1,5}))?/?")
ORIGINS = "* or origins such as https://example.org, separated by commas"


def _header_table(value: dict[str, t.Any]) -> dict[str, str]:
    for name, text in value.items():
        if not name or not _headers.is_name(name):
            raise ValueError(f"names of header fields, and not {name!r}")
        if name.lower() == CSP.lower():
            raise ValueError(f"other fields than {CSP}, which is content_security_policy")
        if name.lower() in _NOT_TO_SET or name.lower().startswith("access-control-"):
            raise ValueError(f"other fields than {name}")
        if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
            raise ValueError(f"one line of ASCII for {name}")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("each field once")
    return {name: text.strip() for name, text in value.items()}


def _policy(value: str) -> str:
    value = value.strip()
    if defect := policy_defect(value):
        raise ValueError(defect)
    return value


def _origin(text: str) -> str:
    """Return an origin as browsers write it (RFC 6454 6.2)."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None or not hosts.name_of(found["host"]):
        raise ValueError(ORIGINS)
    scheme, port = found["scheme"], int(found["port"] or _DEFAULT_PORTS[found["scheme"]])
    if not 0 < port < 65536:
        raise ValueError(ORIGINS)
    return f"{scheme}://{found['host']}" + ("" if port == _DEFAULT_PORTS[scheme] else f":{port}")


def _cors_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    if ANY in value:
        if len(value) > 1:
            raise ValueError(f"either {ORIGINS}")
        return value
    return tuple(map(_origin, value))


def _tokens(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if not name or not _headers.is_name(name):
            raise ValueError("names, separated by commas, or *")
    return value


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    patterns = tuple(text.lower() for text in value)
    for pattern in patterns:
        if not hosts.is_pattern(pattern):
            raise ValueError(
                "host names without scheme and port, such as example.org, .example.org for all "
                "below it, or [::1]"
            )
    return patterns


#: Header fields and their values.
HeaderTable = t.Annotated[Object, AfterValidator(_header_table), HidesNamed()]
Policy = t.Annotated[str, AfterValidator(_policy)]
CorsOrigins = t.Annotated[Names, AfterValidator(_cors_origins), HidesPassword()]
CorsMethods = t.Annotated[
    Names, AfterValidator(_tokens), AfterValidator(lambda value: tuple(map(str.upper, value)))
]
CorsHeaders = t.Annotated[
    Names, AfterValidator(_tokens), AfterValidator(lambda value: tuple(map(str.lower, value)))
]
Hosts = t.Annotated[Names, AfterValidator(_hosts)]
