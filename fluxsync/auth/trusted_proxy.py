"""Users whom a proxy in front has logged in, or the host (Posit Connect).

What a proxy says in a header field counts only if the request came through a trusted one
(``trust_proxy``, ``forwarded_allow_ips``). The gateway knows; without a gateway, nobody is
believed.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

import flask
from werkzeug.exceptions import Forbidden, Unauthorized

from ..sansio.headers import environ_key, is_name

#: Something to call on a request: it returns what it knows of it, or raises an HTTPException.
#: Without an argument, the current request is meant.
AuthDependency = t.Callable[..., t.Any]

#: The gateway's word on the peer.
VIA_TRUSTED, PEER = "fluxsync.via_trusted", "fluxsync.peer"
#: How the browser came, as a trusted proxy has it; ``wsgi.url_scheme`` is that of the public URL.
_SCHEME = "fluxsync.scheme"
#: Whom the host has logged in: a :class:`~fluxsync.sansio.identity.User`.
_USER = "fluxsync.user"


@dataclasses.dataclass(frozen=True)
class TrustedProxyUserConfig:
    """Whom :class:`TrustedProxyUser` believes.

    :param header_name: Field with the user's name.
    :param require_https: Refuse users who came without it.
    :param trusted_client_hosts: Addresses or networks of the proxies that may say so; all that are
        trusted if not given.
    :param require_non_empty_user: Refuse requests without a user.
    :raise ValueError: A name or an address makes no sense.
    """

    header_name: str = "X-Remote-User"
    require_https: bool = False
    trusted_client_hosts: frozenset[str] | None = None
    require_non_empty_user: bool = True

    def __post_init__(self) -> None:
        _check_name(self.header_name)
        for host in self.trusted_client_hosts or ():
            try:
                ipaddress.ip_network(host, strict=False)
            except ValueError:
                raise ValueError(
                    f"trusted_client_hosts has {host!r}: expected addresses such as 10.0.0.1"
                ) from None


class TrustedProxyUser:
    """Tells who the user is; calling it returns the name.

    .. code-block:: python

        user = TrustedProxyUser(TrustedProxyUserConfig(require_https=True))

        @app.api.get("/me")
        def me():
            return {"user": user()}

    :raise Forbidden: Nobody who is trusted says who the user is.
    :raise Unauthorized: There's no user.
    """

    def __init__(self, config: TrustedProxyUserConfig | None = None) -> None:
        self._config = config or TrustedProxyUserConfig()
        hosts = self._config.trusted_client_hosts
        self._networks = None if hosts is None else [ipaddress.ip_network(h, False) for h in hosts]

    def __call__(self, request: flask.Request | None = None) -> str:
        """Return the user's name; empty if there's none and that's allowed."""
        request = request or flask.request
        name = ""
        scheme = request.scheme
        if (host_user := request.environ.get(_USER)) is not None:
            name = host_user.name
        else:
            if not self._is_believed(request):
                raise Forbidden("This request came through no proxy that is trusted.")
            name = _field(request, self._config.header_name) or ""
            # A proxy that says nothing has to be one of the public URL.
            if request.environ.get("HTTP_X_FORWARDED_PROTO"):
                scheme = request.environ.get(_SCHEME, scheme)
        if self._config.require_https and scheme != "https":
            raise Forbidden("This needs HTTPS.")
        if self._config.require_non_empty_user and not name.strip():
            raise Unauthorized("The proxy names no user.")
        return name.strip()

    def check(self) -> None:
        """Check the current request; for ``before_request``."""
        self()

    def _is_believed(self, request: flask.Request) -> bool:
        if request.environ.get(VIA_TRUSTED) is not True:
            return False
        if self._networks is None:
            return True
        try:
            peer = ipaddress.ip_address(request.environ.get(PEER, ""))
        except ValueError:
            return False
        return any(peer in network for network in self._networks)


def proxy_user_header(header_name: str = "X-Remote-User") -> AuthDependency:
    """Return what reads the user's name from a header field.

    It returns ``None`` where the field is absent, or came through no trusted proxy.

    :raise ValueError: It's no name of a field.
    """
    _check_name(header_name)

    def load_user(request: flask.Request | None = None) -> str | None:
        request = request or flask.request
        if request.environ.get(VIA_TRUSTED) is not True:
            return None
        return _field(request, header_name)

    return load_user


def _check_name(name: str) -> None:
    if not name or not is_name(name):
        raise ValueError(f"header_name={name!r}: expected a header's name such as X-Remote-User")


def _field(request: flask.Request, name: str) -> str | None:
    value = request.environ.get(environ_key(name))
    if not isinstance(value, str):
        return None
    try:
        return value.encode("latin-1").decode()  # WSGI has bytes as latin-1 (PEP 3333)
    except UnicodeError:
        return value
