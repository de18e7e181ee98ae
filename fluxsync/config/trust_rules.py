"""Rules about who is believed, and about URLs."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ..sansio.hosts import Hosts
from .situation import Situation, is_loopback

#: Networks with more addresses than that are no list of proxies: 10.0.0.0/8 is the largest
#: private one, and in IPv6 a provider's is smaller than a 16th.
_WIDEST = {4: 8, 6: 16}


def trusts_everyone(situation: Situation) -> t.Iterator[str]:
    """A network that has everybody in it is ``*`` in other words."""
    for network in situation.settings.trusted_networks:
        if network.prefixlen < _WIDEST[network.version]:
            yield (
                f"forwarded_allow_ips={network} lets every client forge its address and identity: "
                "name the addresses of your proxies"
            )


def networks_missing(situation: Situation) -> t.Iterator[str]:
    """Other machines can connect, but none of them is believed."""
    settings = situation.settings
    if settings.trust_proxy and not settings.forwarded_allow_ips and situation.is_open:
        yield (
            f"trust_proxy believes proxies on this machine only, while gateway_host="
            f"{settings.gateway_host} lets others connect: name the proxies in forwarded_allow_ips"
        )


def body_limit_missing(situation: Situation) -> t.Iterator[str]:
    """Whom a proxy lets in may upload what they like."""
    settings = situation.settings
    if settings.trust_proxy and not settings.gateway_max_proxy_request_body_bytes:
        yield (
            "trust_proxy is set and request bodies have no limit: set "
            "gateway_max_proxy_request_body_bytes, such as to 209715200, Streamlit's own for files"
        )


def path_mismatch(situation: Situation) -> t.Iterator[str]:
    """Of two paths that differ and aren't empty, settings are refused; ``/`` is neither."""
    settings = situation.settings
    path = urlsplit(settings.public_base_url).path.rstrip("/")
    if path and settings.root.path != path:
        yield (
            f"public_base_url has the path {path}, and root_path says {settings.root.path or '/'}: "
            "leave root_path out, or make them the same"
        )


def host_not_allowed(situation: Situation) -> t.Iterator[str]:
    """Every request of a browser would be refused."""
    settings = situation.settings
    host = urlsplit(settings.public_base_url).netloc
    if host and settings.allowed_hosts and not Hosts(settings.allowed_hosts).allows(host):
        yield f"public_base_url has the host {host}, which allowed_hosts refuses: add it there"


def login_public_url(situation: Situation) -> t.Iterator[str]:
    """The provider knows one redirect URL, and a request may not say it."""
    settings = situation.settings
    if settings.oidc_bff_secret and settings.root.path and not settings.public_base_url:
        yield (
            f"root_path={settings.root.path} and logins (oidc_bff_secret) need a URL that the "
            "provider knows: set public_base_url"
        )


def login_without_https(situation: Situation) -> t.Iterator[str]:
    """Cookies and codes would go over the network as they are."""
    settings = situation.settings
    parts = urlsplit(settings.public_base_url)
    if (
        settings.oidc_bff_secret
        and parts.scheme == "http"
        and not is_loopback(parts.hostname or "")
    ):
        yield (
            f"public_base_url={settings.public_base_url} makes logins (oidc_bff_secret) travel "
            "unencrypted: use https"
        )


def other_public_url(situation: Situation) -> t.Iterator[str]:
    """FluxLit reads this variable, and so do others; fluxsync doesn't."""
    other = situation.environ.get("PUBLIC_BASE_URL", "").rstrip("/")
    own = situation.settings.public_base_url
    if other and other != own:
        has = "differs from public_base_url" if own else "is not read"
        yield f"the variable PUBLIC_BASE_URL {has}: set FLUXSYNC_PUBLIC_BASE_URL, or unset it"


def root_without_trust(situation: Situation) -> t.Iterator[str]:
    """Where there's a path, there's a proxy; without trust it hides scheme and client."""
    settings = situation.settings
    if settings.root.path and not settings.trusted_networks and not situation.platform.name:
        yield (
            f"{settings.root.rule} says that a proxy publishes this under {settings.root.path}, and "
            "it isn't believed about the scheme and the client's address: set trust_proxy if it's "
            "on this machine, else forwarded_allow_ips"
        )
