"""Bearer tokens (RFC 6750) for views of the API.

.. code-block:: python

    bearer = app.make_jwt_bearer()
    admins = RequireRoles(bearer, "admin")

    @app.api.get("/me")
    @bearer.required
    def me():
        return {"sub": bearer.current().sub}

    reports.before_request(admins.check)     # all views of a blueprint

The decorator goes below the one that registers the view.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

import flask
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, ServiceUnavailable, Unauthorized

from ..exceptions import ConfigError, ProviderError
from ..sansio.login import is_secure
from .cached import COOLDOWN
from .claims import (
    StandardClaims,
    check_names,
    check_secret,
    is_within,
    issue_hs256_access_token,
    load_pyjwt,
    texts,
)
from .keys import PUBLIC_KEY_ALGORITHMS
from .verification import InvalidTokenError, Secret, Verifier, public_keys

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..config import FluxSyncSettings

__all__ = [
    "JWTAuthConfig",
    "JWTBearer",
    "RequireRoles",
    "RequireScopes",
    "StandardClaims",
    "issue_hs256_access_token",
]

ViewT = t.TypeVar("ViewT", bound="Callable[..., t.Any]")

#: Most seconds that clocks may differ: a token is valid for so much longer.
MOST_LEEWAY = 300
#: Seconds for the keys of a provider.
_TIMEOUT = 5.0
#: In the environ: the claims of this request's token, for each bearer that has checked it.
_CLAIMS = "fluxsync.claims"
#: Issuer and audience of the tokens that ``attach_oidc_login`` makes.
BFF_ISSUER, BFF_AUDIENCE = "fluxsync-bff", "fluxsync-app"


@dataclasses.dataclass(frozen=True)
class JWTAuthConfig:
    """Which tokens are believed.

    :param issuer: The token's ``iss``.
    :param audience: One of these is in the token's ``aud``.
    :param algorithms: ``["HS256"]`` with a secret; with a URL, those of public keys.
    :param jwks_url: Where the issuer publishes its keys (RFC 7517); https.
    :param hs256_secret: Instead: what the issuer signs with; 32 bytes or more.
    :param leeway_seconds: How much clocks may differ, from 0 to 300.
    :raise ValueError: This would believe nobody, or too many.
    """

    issuer: str
    audience: str | Sequence[str]
    algorithms: Sequence[str] = ("RS256",)
    jwks_url: str | None = None
    hs256_secret: str | None = dataclasses.field(default=None, repr=False)
    leeway_seconds: float = 0

    def __post_init__(self) -> None:
        if not (self.issuer and isinstance(self.issuer, (str, list, tuple))):
            raise ValueError(f"issuer={self.issuer!r}: expected the iss claim of the tokens")
        if not (self.audience and isinstance(self.audience, (str, list, tuple))) or not all(
            isinstance(one, str) and one for one in self.audience
        ):
            raise ValueError(f"audience={self.audience!r}: expected the aud claim of the tokens")
        if not is_within(self.leeway_seconds, 0, MOST_LEEWAY):
            raise ValueError(
                f"leeway_seconds={self.leeway_seconds!r}: expected a number from 0 to {MOST_LEEWAY}"
            )
        if bool(self.jwks_url) == bool(self.hs256_secret):
            raise ValueError("expected one of jwks_url and hs256_secret")
        if not isinstance(self.algorithms, (list, tuple)):
            raise ValueError(f"algorithms={self.algorithms!r}: expected a list")
        if self.hs256_secret:
            check_secret("hs256_secret", self.hs256_secret)
            # Were there others as well, the secret would be taken for a public key (RFC 8725 2.1).
            if list(self.algorithms) != ["HS256"]:
                raise ValueError(
                    f"algorithms={list(self.algorithms)!r}: expected ['HS256'] with hs256_secret"
                )
            return
        if not is_secure(self.jwks_url or ""):
            raise ValueError(f"jwks_url={self.jwks_url!r}: expected an https URL")
        if not self.algorithms or not all(a in PUBLIC_KEY_ALGORITHMS for a in self.algorithms):
            raise ValueError(
                f"algorithms={list(self.algorithms)!r}: expected some of "
                f"{', '.join(PUBLIC_KEY_ALGORITHMS)} with jwks_url"
            )


class _Requirement:
    """What a request must bring."""

    def __call__(self, request: flask.Request | None = None) -> StandardClaims:
        """Check a request.

        :param request: The current one if it isn't given.
        :raise Unauthorized: There's no valid token.
        :raise Forbidden: It isn't enough.
        :raise ServiceUnavailable: Its issuer's keys can't be had.
        """
        raise NotImplementedError

    def check(self) -> None:
        """Check the current request; for ``before_request``."""
        self()

    def current(self) -> StandardClaims:
        """Return the claims of the current request, which is checked if it wasn't."""
        return self()

    def required(self, view: ViewT) -> ViewT:
        """Have a view check requests; a decorator, below the one that registers the view."""

        @functools.wraps(view)
        def checked(*args: t.Any, **kwargs: t.Any) -> t.Any:
            self()
            return flask.current_app.ensure_sync(view)(*args, **kwargs)

        return t.cast("ViewT", checked)


class JWTBearer(_Requirement):
    """A request must have a valid bearer token.

    Calling it returns the token's claims; :meth:`required` decorates a view. Thread-safe.

    :param config: Which tokens are believed.
    :raise RuntimeError: The extra ``auth`` isn't installed.
    """

    def __init__(self, config: JWTAuthConfig) -> None:
        load_pyjwt()
        self.config = config
        secret, url = config.hs256_secret, config.jwks_url
        keys = Secret(secret) if secret else public_keys(url or "", _TIMEOUT)
        self._verifier = Verifier(
            keys, config.algorithms, config.issuer, config.audience, config.leeway_seconds
        )

    @classmethod
    def from_fluxsync_settings(cls, settings: FluxSyncSettings) -> JWTBearer:
        """Return the one that the settings describe.

        With ``oidc_bff_secret`` and none of the ``jwt_`` settings, it believes the tokens that
        :meth:`~fluxsync.FluxSync.attach_oidc_login` makes.

        :raise ConfigError: They don't describe one.
        """
        secret, url = settings.jwt_hs256_secret, settings.jwt_jwks_url
        issuer, audience = settings.jwt_issuer, settings.jwt_audience
        if settings.oidc_bff_secret and not any((secret, url, issuer, audience)):
            secret, issuer, audience = settings.oidc_bff_secret, BFF_ISSUER, BFF_AUDIENCE

        def refuse(name: str, expected: str) -> ConfigError:
            shown, source = settings.shown(name), settings.source(name)
            return ConfigError(name, shown, source=source, expected=expected)

        if secret and url:
            raise refuse("jwt_hs256_secret", "nothing, as jwt_jwks_url is set: choose one")
        if not secret and not url:
            raise refuse("jwt_jwks_url", "an https URL, or jwt_hs256_secret to be set")
        if not issuer:
            raise refuse("jwt_issuer", "the iss claim of the tokens")
        if not audience:
            raise refuse("jwt_audience", "the aud claim of the tokens")
        return cls(
            JWTAuthConfig(
                issuer,
                audience,
                ("HS256",) if secret else PUBLIC_KEY_ALGORITHMS,
                jwks_url=url or None,
                hs256_secret=secret or None,
                leeway_seconds=settings.jwt_leeway_seconds,
            )
        )

    def __call__(self, request: flask.Request | None = None) -> StandardClaims:
        """Return the claims of a request's token."""
        request = request or flask.request
        known: dict[JWTBearer, StandardClaims] = request.environ.setdefault(_CLAIMS, {})
        if self not in known:
            known[self] = self._verify(request.headers.get("Authorization", ""))
        return known[self]

    def _verify(self, authorization: str) -> StandardClaims:
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            # RFC 6750 3.1: a request without credentials gets no error code.
            raise Unauthorized("Missing bearer token", www_authenticate=_challenge())
        if not (token := token.strip()):
            raise Unauthorized("Empty bearer token", www_authenticate=_challenge())
        try:
            return self._verifier.verify(token)
        except InvalidTokenError as e:
            challenge = _challenge(error="invalid_token", error_description=str(e))
            raise Unauthorized(str(e), www_authenticate=challenge) from e
        except ProviderError as e:
            raise ServiceUnavailable(
                "The keys to check tokens with can't be had.", retry_after=int(COOLDOWN)
            ) from e


class RefusingBearer(JWTBearer):
    """Believes nobody: this process hasn't got what tokens are checked with."""

    def __init__(self) -> None:
        pass

    def __call__(self, request: flask.Request | None = None) -> StandardClaims:
        """Refuse a request."""
        raise ServiceUnavailable("Streamlit's process can't check tokens; the API's processes do.")


def _challenge(**parameters: str) -> WWWAuthenticate:
    return WWWAuthenticate("bearer", {"realm": "api", **parameters})


class _NotEnough(Forbidden):
    """RFC 6750 3.1: insufficient_scope."""

    def __init__(self, description: str, **parameters: str) -> None:
        super().__init__(description)
        self._challenge = _challenge(error="insufficient_scope", **parameters)

    def get_headers(self, *args: t.Any, **kwargs: t.Any) -> list[tuple[str, str]]:
        """Return its header fields."""
        challenge = ("WWW-Authenticate", self._challenge.to_header())
        return [*super().get_headers(*args, **kwargs), challenge]


class RequireScopes(_Requirement):
    """A request's token must have all of these scopes.

    :param bearer: Checks the token.
    :param scope_claim: Claim with the scopes, as a list or separated by spaces; ``scp`` with
        Microsoft's.
    :raise ValueError: No scope is named.
    """

    def __init__(self, bearer: JWTBearer, *scopes: str, scope_claim: str = "scope") -> None:
        check_names("scopes", scopes)
        self._bearer, self._scopes, self._claim = bearer, frozenset(scopes), scope_claim

    def __call__(self, request: flask.Request | None = None) -> StandardClaims:
        """Return the claims of a request's token."""
        claims = self._bearer(request)
        value = claims.get(self._claim)
        if not self._scopes <= texts(value.split() if isinstance(value, str) else value):
            raise _NotEnough("Insufficient scope", scope=" ".join(sorted(self._scopes)))
        return claims


class RequireRoles(_Requirement):
    """A request's token must have any of these roles.

    :param bearer: Checks the token.
    :param roles_claim: Claim with the roles, as a list or one text; ``realm_access.roles`` with
        Keycloak's.
    :raise ValueError: No role is named.
    """

    def __init__(self, bearer: JWTBearer, *roles: str, roles_claim: str = "roles") -> None:
        check_names("roles", roles)
        self._bearer, self._roles, self._claim = bearer, frozenset(roles), roles_claim

    def __call__(self, request: flask.Request | None = None) -> StandardClaims:
        """Return the claims of a request's token."""
        claims = self._bearer(request)
        value = claims.get(self._claim)
        if not self._roles & texts([value] if isinstance(value, str) else value):
            raise _NotEnough("Insufficient role")
        return claims
