"""An OpenID provider, as its client sees it (OpenID Connect Core 1.0, Discovery 1.0)."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import secrets
import typing as t

import pydantic

from ..exceptions import ProviderError
from ..sansio.login import is_secure, with_query
from ..upstream.oidc import get_json, post_token_request
from .cached import Cached
from .claims import is_within, load_pyjwt
from .keys import PUBLIC_KEY_ALGORITHMS, KeySet
from .verification import InvalidTokenError, Verifier

if t.TYPE_CHECKING:
    from .claims import StandardClaims


class CodeRefusedError(ProviderError):
    """The provider doesn't take the code: it's used, too old, or not from this login."""


class WrongNonceError(InvalidTokenError):
    """The token was made for another login."""


class OIDCProvider(t.Protocol):
    """What a login needs of a provider.

    One without a ``verify_id_token`` like that of :class:`GenericOIDCClient` is used only if
    ``allow_unverified_id_token_for_custom_oidc`` is set.
    """

    @property
    def issuer(self) -> str:
        """The provider's identifier: ``iss`` of its tokens."""

    def authorization_url(
        self, *, redirect_uri: str, state: str, code_challenge: str, scope: str | None = None
    ) -> str:
        """Return the URL to send the browser to. A ``nonce`` parameter is added to it."""

    def exchange_code(
        self, *, code: str, code_verifier: str, redirect_uri: str
    ) -> dict[str, t.Any]:
        """Return the token endpoint's answer to a code.

        :raise ProviderError: There is none.
        """


class Discovery(pydantic.BaseModel):
    """A provider's metadata (Discovery 3), as far as it's used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    #: "If omitted, the default is client_secret_basic".
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


def pkce_pair() -> tuple[str, str]:
    """Return a new code verifier, and its S256 challenge (RFC 7636)."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclasses.dataclass(frozen=True)
class GenericOIDCClientConfig:
    """A client at a provider.

    :param issuer: The provider's identifier; https.
    :param client_secret: Empty for a public client, whose only proof is PKCE.
    :param http_timeout: Seconds for an answer of the provider.
    :raise ValueError: It can't be used.
    """

    issuer: str
    client_id: str
    client_secret: str = dataclasses.field(default="", repr=False)
    http_timeout: float = 10.0

    def __post_init__(self) -> None:
        if not is_secure(self.issuer):
            raise ValueError(f"issuer={self.issuer!r}: expected an https URL")
        if not (self.client_id and isinstance(self.client_id, str)):
            raise ValueError(
                f"client_id={self.client_id!r}: expected the client's id at the provider"
            )
        if not is_within(self.http_timeout, 1e-3, 300):
            raise ValueError(f"http_timeout={self.http_timeout!r}: expected seconds from 0 to 300")


class GenericOIDCClient:
    """Any provider that publishes its metadata.

    The metadata and the keys are fetched when they're needed, and kept for some minutes.
    Thread-safe.

    :raise RuntimeError: The extra ``auth`` isn't installed.
    """

    def __init__(self, config: GenericOIDCClientConfig) -> None:
        load_pyjwt()
        self.config = config
        self._discovery = Cached(self._discover)
        self._keys = KeySet(lambda: self._discovery.get().jwks_uri, config.http_timeout)

    @property
    def issuer(self) -> str:
        """The provider's identifier."""
        return self.config.issuer

    def load_discovery_sync(self) -> None:
        """Fetch the metadata now, and not with the first login.

        :raise ProviderError: They can't be had.
        """
        self._discovery.get()

    def _discover(self) -> Discovery:
        url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = Discovery(**get_json(url, self.config.http_timeout))
        except pydantic.ValidationError as e:
            raise ProviderError(f"{url} has no valid {e.errors()[0]['loc'][0]}") from None
        # Discovery 4.3: it "MUST be identical". Some providers have a slash too many.
        if found.issuer.rstrip("/") != self.issuer.rstrip("/"):
            raise ProviderError(f"{url} is of another issuer: {found.issuer!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_secure(getattr(found, name)):
                raise ProviderError(f"{url}: {name} isn't an https URL")
        return found

    def authorization_url(
        self, *, redirect_uri: str, state: str, code_challenge: str, scope: str | None = None
    ) -> str:
        """Return the URL to send the browser to.

        :raise ProviderError: The metadata can't be had.
        """
        return with_query(
            self._discovery.get().authorization_endpoint,
            response_type="code",
            client_id=self.config.client_id,
            redirect_uri=redirect_uri,
            scope=scope or "openid profile email",
            state=state,
            code_challenge=code_challenge,
            code_challenge_method="S256",
        )

    def exchange_code(
        self, *, code: str, code_verifier: str, redirect_uri: str
    ) -> dict[str, t.Any]:
        """Return the tokens for a code.

        :raise CodeRefusedError: The provider doesn't take it.
        :raise ProviderError: The provider fails, or doesn't know this client.
        """
        found, config = self._discovery.get(), self.config
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        basic = None
        if config.client_secret and (
            "client_secret_post" not in found.token_endpoint_auth_methods_supported
        ):
            basic = (config.client_id, config.client_secret)
        else:
            form["client_id"] = config.client_id
            if config.client_secret:
                form["client_secret"] = config.client_secret
        answer = post_token_request(found.token_endpoint, form, config.http_timeout, basic)
        if answer.status == 200:
            return answer.content
        error = answer.content.get("error")
        if error == "invalid_grant":
            raise CodeRefusedError("the provider doesn't take the code")
        # RFC 6749 5.2 has the characters of an error code.
        shown = error if isinstance(error, str) and error.isidentifier() else "no error code"
        raise ProviderError(f"{found.token_endpoint} answers {answer.status}, {shown}")

    def verify_id_token(
        self, id_token: str, *, nonce: str, audience: str = "", leeway: float = 0
    ) -> StandardClaims:
        """Return what an ID token says (Core 3.1.3.7).

        :param nonce: That of the login.
        :param audience: ``aud``; the client's id if empty.
        :raise WrongNonceError: It's for another login.
        :raise InvalidTokenError: It isn't valid.
        :raise ProviderError: The keys can't be fetched.
        """
        claims = self._verifier(audience or self.config.client_id, leeway).verify(id_token)
        several = isinstance(claims.aud, list) and len(claims.aud) > 1
        azp = claims.get("azp")
        if (several or azp is not None) and azp != self.config.client_id:
            raise InvalidTokenError("Token for another client")
        check_nonce(claims, nonce)
        return claims

    def _verifier(self, audience: str, leeway: float) -> Verifier:
        # What the provider itself calls its issuer is in its tokens.
        issuer = self._discovery.get().issuer
        required = ("iss", "aud", "iat", "sub")
        return Verifier(self._keys, PUBLIC_KEY_ALGORITHMS, issuer, audience, leeway, required)

    def end_session_url(self, post_logout_redirect_uri: str) -> str | None:
        """Return the URL that ends the login at the provider; ``None`` if it has none.

        :raise ProviderError: The metadata can't be had.
        """
        endpoint = self._discovery.get().end_session_endpoint
        if endpoint is None or not is_secure(endpoint):
            return None
        return with_query(
            endpoint,
            client_id=self.config.client_id,
            post_logout_redirect_uri=post_logout_redirect_uri,
        )


def check_nonce(claims: StandardClaims, nonce: str) -> None:
    """Refuse a token that was made for another login.

    :raise WrongNonceError: It was.
    """
    found = claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), nonce.encode()):
        raise WrongNonceError("Token for another login")
