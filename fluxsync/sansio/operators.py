"""Who may see figures and the status page. No I/O."""

from __future__ import annotations

import base64
import binascii
import enum
import hmac
import ipaddress
import typing as t
from urllib.parse import urlsplit

#: Fields that say that a request came through somebody else. What a proxy on this machine sends
#: on is no request of this machine.
_FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-prefix",
    "x-forwarded-port",
    "x-real-ip",
    "x-rsc-request",
    "rstudio-connect-app-base-url",
)


class Verdict(enum.Enum):
    """Whether somebody is an operator."""

    ALLOWED = "allowed"
    #: Only those who know the token are, and this one doesn't say it.
    TOKEN_MISSING = "token missing"  # noqa: S105
    #: Only this machine is, and this request didn't come from it.
    ELSEWHERE = "elsewhere"


def judge(token: str, peer: str, protocol: str, field: t.Callable[[str], str]) -> Verdict:
    """Say whether a request comes from an operator.

    With a token it's who says it, as a bearer's (RFC 6750) or as the password of Basic (RFC
    7617), which browsers ask for. Without one it's this machine. Its requests come from a loopback
    address, through nobody, and for a name of this machine: a page in a browser here could ask for
    its own name otherwise, once that means 127.0.0.1 (DNS rebinding).

    :param token: What the settings say; ``""`` is none.
    :param peer: Address of the connection's other end, whatever proxies say; ``""`` if unknown.
    :param protocol: What the request line says: ``HTTP/1.1``, say.
    :param field: Returns a header field, or ``""``.
    """
    if token:
        said = _said(field("authorization"))
        is_right = hmac.compare_digest(said.encode(), token.encode())
        return Verdict.ALLOWED if is_right else Verdict.TOKEN_MISSING
    # nginx as it comes adds no field, and asks for the name in its configuration. But it speaks
    # HTTP/1.0, which nobody else does any more (ngx_http_proxy_module, proxy_http_version).
    through = protocol == "HTTP/1.0" or any(map(field, _FORWARDED))
    is_here = _is_loopback(peer) and not through and _is_own_name(field("host"))
    return Verdict.ALLOWED if is_here else Verdict.ELSEWHERE


def _said(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _is_own_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)
