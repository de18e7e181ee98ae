"""Who the client is, and what Streamlit and the API are told about it. No I/O.

Headers that say who somebody is, or where a request came from, are worth what the peer
that sent them is worth. From anybody but a trusted proxy they're removed, whatever part
of fluxsync answers.
"""

from __future__ import annotations

import ipaddress
import typing as t

from . import headers as _headers

if t.TYPE_CHECKING:
    from ..typing import Headers

Network: t.TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

#: Where a request came from.
FORWARDING = frozenset(
    (
        "cf-connecting-ip",
        "client-ip",
        "fastly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-original-host",
        "x-original-uri",
        "x-original-url",
        "x-proxycontextpath",
        "x-real-ip",
        "x-rewrite-url",
        "x-rsc-request",
        "x-scheme",
        "x-script-name",
        "script-name",
        "path-info",
    )
)
FORWARDING_PREFIXES = ("x-forwarded-", "x-envoy-", "rstudio-connect-")

#: Who the user is: what authenticating proxies are known to add.
IDENTITY = frozenset(
    (
        "remote-user",
        "remote-groups",
        "remote-name",
        "remote-email",
        "x-remote-user",
        "x-remote-groups",
        "x-remote-email",
        "x-remote-name",
        "x-user",
        "x-username",
        "x-user-id",
        "x-user-email",
        "x-email",
        "x-groups",
        "x-roles",
        "x-webauth-user",
        "x-iisnode-auth-user",
        "iv-user",
        "sm-user",
        "posit-connect-user-session-token",
        "x-client-cert",
        "x-client-dn",
        "x-client-verify",
    )
)
IDENTITY_PREFIXES = (
    "cf-access-",
    "oidc-claim-",
    "ssl-client-",
    "tailscale-user-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-goog-authenticated-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-ssl-client-",
    "x-vouch-",
)

#: What fluxsync itself adds; nobody else may.
OWN_PREFIX = "x-fluxsync-"

#: Replaced by what fluxsync knows, even from a trusted proxy.
REPLACED = frozenset(
    (
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-request-id",
    )
)

#: What the next hop is told anew, or not at all.
ANEW = REPLACED | _headers.HOP_BY_HOP | {"", "content-length", "content-type", "expect", "host"}

#: Some proxies name the WebSocket's scheme.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Client(t.NamedTuple):
    """The client as far as it can be known."""

    #: Address of the client; of the peer, if there is no trusted proxy.
    address: str
    scheme: str
    #: Host and port as the client typed them.
    host: str
    #: All addresses from the client to this server's peer, for ``X-Forwarded-For``.
    chain: tuple[str, ...]
    #: How many trusted proxies are between, the peer being the first of them.
    proxies: int = 0

    @property
    def via_trusted(self) -> bool:
        """Whether the peer is a trusted proxy."""
        return self.proxies > 0


def folded(name: str) -> str:
    # WSGI has one name for both: SM_USER and SM-USER are HTTP_SM_USER.
    return name.lower().replace("_", "-")


def is_claim(name: str, extra: t.Collection[str] = ()) -> bool:
    """Whether a header field is believed only from trusted proxies.

    :param extra: More names from the settings, in lower case and with ``-`` for ``_``.
    """
    name = folded(name)
    return (
        name in FORWARDING
        or name in IDENTITY
        or name in extra
        or name.startswith(FORWARDING_PREFIXES)
        or name.startswith(IDENTITY_PREFIXES)
        or name.startswith(OWN_PREFIX)
    )


def is_trusted(address: str, networks: t.Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    try:
        ip = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in network for network in networks)


def resolve(
    peer: str, scheme: str, field: t.Callable[[str], str], is_trusted: t.Callable[[str], bool]
) -> Client:
    """Find out who the client is.

    :param peer: Address of the peer; empty on a Unix socket.
    :param scheme: Scheme of this connection.
    :param field: Returns a header field of the request by its name, or ``""``.
    :param is_trusted: Tells an address of a trusted proxy.
    """
    host = field("host")
    if not is_trusted(peer):
        return Client(peer, scheme, host, (peer,) if peer else ())
    claimed = field("x-forwarded-for")
    chain = [_address(part.strip()) for part in claimed.split(",") if part.strip()] + [peer]
    address, proxies = peer, 0
    for hop in reversed(chain):
        address = hop
        if not is_trusted(hop):
            break
        proxies += 1
    proto = _nth_last(field("x-forwarded-proto"), proxies).lower()
    return Client(
        address,
        _SCHEMES.get(proto, scheme),
        _nth_last(field("x-forwarded-host"), proxies) or host,
        tuple(chain),
        proxies,
    )


def _address(hop: str) -> str:
    """Return a hop's address; some proxies add its port (``192.0.2.1:4711``)."""
    address, _, port = hop.rpartition(":")
    with_port = port.isdecimal() and ("." in address or address.endswith("]"))
    return (address if with_port else hop).strip("[]")


def _nth_last(value: str, proxies: int) -> str:
    """Return what the trusted proxy nearest to the client has said.

    Some proxies append to a list that the client may have begun; others replace it.
    """
    values = [part.strip() for part in value.split(",")]
    return values[max(0, len(values) - proxies)]


def is_lie(name: str, extra: t.Collection[str] = (), *, via_trusted: bool) -> bool:
    """Whether a field is a claim of somebody who isn't believed.

    :param extra: As for :func:`is_claim`.
    :param via_trusted: Whether the peer is a trusted proxy.
    """
    if via_trusted:
        return folded(name).startswith(OWN_PREFIX)
    return is_claim(name, extra)


def added(client: Client, root: str, request_id: str) -> Headers:
    """Return what fluxsync tells the next hop about the request, once and for sure."""
    fields = [
        ("X-Forwarded-For", ", ".join(client.chain)),
        ("X-Forwarded-Proto", client.scheme),
        ("X-Forwarded-Host", client.host),
        ("X-Forwarded-Prefix", root),
        ("X-Request-Id", request_id),
    ]
    return [(name, value) for name, value in fields if value]
