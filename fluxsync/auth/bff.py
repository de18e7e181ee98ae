"""Logins at an OpenID provider, for pages: a backend for the frontend.

``/auth/login`` sends the browser to the provider, which sends it back to ``/auth/callback``. From
there it goes to the page, with a one-time code that the page redeems at ``/auth/exchange`` for a
token of this application. ``/auth/logout`` ends the login.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
import typing as t
from urllib.parse import urlsplit

import flask
import pydantic
from werkzeug.exceptions import (
    RequestEntityTooLarge,
    ServiceUnavailable,
    Unauthorized,
    UnprocessableEntity,
)

from ..exceptions import FluxSyncError, ProviderError
from ..sansio.login import is_local, with_query
from .claims import REGISTERED, check_secret, is_within, issue_hs256_access_token, load_pyjwt
from .codes import InMemoryOIDCBFFTokenStore, Waiting, WaitingLogins
from .jwt import BFF_AUDIENCE, BFF_ISSUER
from .oidc import pkce_pair
from .pending import COOKIE, Cookies
from .places import Places
from .refusals import RefusedLoginError, provider_failures, refusal_page
from .unverified import verifier_of

if t.TYPE_CHECKING:
    from flask import Blueprint, Flask
    from werkzeug import Response

    from .claims import StandardClaims
    from .codes import OIDCBFFTokenStore
    from .oidc import OIDCProvider
    from .pending import Login, Pending

#: Largest body of an exchange, in bytes.
_LARGEST = 16384

logger = logging.getLogger("fluxsync.auth")


@dataclasses.dataclass(frozen=True)
class OIDCBFFConfig:
    """How users log in.

    :param oidc: The provider.
    :param first_party_secret: Signs the tokens and the cookie; 32 bytes or more, the same for all
        workers.
    :param token_issuer: ``iss`` of the tokens; ``token_audience`` is ``aud``.
    :param access_token_ttl_seconds: For how long a token is valid.
    :param public_base_url: The application's URL in browsers, where requests don't tell it.
    :param streamlit_redirect_path: The page after a login that doesn't say another one.
    :param state_ttl_seconds: How long a login may take; ``otc_ttl_seconds``, how long the page may.
    :param id_token_audience: ``aud`` of the provider's tokens; the client's id if empty.
    :param id_token_leeway_seconds: How much the provider's clock may differ, up to 300.
    :param copy_claims: Claims of the provider's token that are copied into ours, beside ``sub``.
    :param api_mount_path: The API's path within the application.
    :param bff_token_store: Where logins wait for their page; in this process if not given.
    :raise ValueError: Something of it makes no sense.
    """

    oidc: OIDCProvider
    first_party_secret: str = dataclasses.field(repr=False)
    token_issuer: str = BFF_ISSUER
    token_audience: str = BFF_AUDIENCE
    access_token_ttl_seconds: int = 3600
    public_base_url: str = ""
    login_path: str = "/auth/login"
    callback_path: str = "/auth/callback"
    exchange_path: str = "/auth/exchange"
    logout_path: str = "/auth/logout"
    scope: str = "openid profile email"
    streamlit_redirect_path: str = "/"
    state_ttl_seconds: int = 600
    otc_ttl_seconds: int = 120
    id_token_audience: str = ""
    id_token_leeway_seconds: int = 30
    allow_unverified_id_token_for_custom_oidc: bool = False
    copy_claims: t.Sequence[str] = ()
    api_mount_path: str = "/api"
    bff_token_store: OIDCBFFTokenStore | None = None

    def __post_init__(self) -> None:
        check_secret("first_party_secret", self.first_party_secret)
        for name in ("login", "callback", "exchange", "logout", "streamlit_redirect"):
            if not is_local(path := getattr(self, f"{name}_path")):
                raise ValueError(f"{name}_path={path!r}: expected a path such as /auth/{name}")
        for name in ("access_token_ttl", "state_ttl", "otc_ttl"):
            if not is_within(getattr(self, f"{name}_seconds"), 1e-3, 1e10):
                shown = getattr(self, f"{name}_seconds")
                raise ValueError(f"{name}_seconds={shown!r}: expected a number over 0")
        if not is_within(self.id_token_leeway_seconds, 0, 300):
            raise ValueError(
                f"id_token_leeway_seconds={self.id_token_leeway_seconds!r}: "
                "expected a number from 0 to 300"
            )
        if isinstance(self.copy_claims, str) or (taken := REGISTERED & set(self.copy_claims)):
            shown = self.copy_claims if isinstance(self.copy_claims, str) else min(taken)
            raise ValueError(f"copy_claims has {shown!r}: expected a list without registered ones")
        if "openid" not in str(self.scope).split():
            raise ValueError(f"scope={self.scope!r}: expected openid to be one of them")
        url = self.public_base_url.rstrip("/")
        if url and (not urlsplit(url).netloc or url.endswith(self.api_mount_path)):
            raise ValueError(
                f"public_base_url={url!r}: expected the application's absolute URL, "
                f"without {self.api_mount_path}"
            )


def register_oidc_bff_routes(
    app: Flask, config: OIDCBFFConfig, *, router_prefix: str = ""
) -> Blueprint:
    """Add the routes of logins to an API.

    :param router_prefix: In front of their paths.
    :return: The blueprint with the routes, which is registered.
    :raise ValueError: The provider's tokens can't be verified.
    """
    routes = _Routes(config, router_prefix)
    blueprint = flask.Blueprint("fluxsync_oidc", __name__, url_prefix=router_prefix or None)
    blueprint.add_url_rule(config.login_path, "login", routes.login)
    blueprint.add_url_rule(config.callback_path, "callback", routes.callback)
    blueprint.add_url_rule(config.exchange_path, "exchange", routes.exchange, methods=["POST"])
    blueprint.add_url_rule(config.logout_path, "logout", routes.logout)
    blueprint.register_error_handler(RefusedLoginError, refusal_page)
    blueprint.after_request(_keep_secret)
    app.register_blueprint(blueprint)
    return blueprint


def _keep_secret(response: flask.Response) -> flask.Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _body() -> bytes:
    """Return the request's body: anybody can send one, of any size."""
    body = b""
    while piece := flask.request.stream.read(_LARGEST + 1 - len(body)):
        body += piece
        if len(body) > _LARGEST:
            raise RequestEntityTooLarge
    return body


class _Exchange(pydantic.BaseModel):
    """What a page posts."""

    code: str = pydantic.Field(min_length=8, max_length=256)
    #: Value of the cookie; the request's own if it's empty.
    browser: str = pydantic.Field("", max_length=8192)


class _Routes:
    def __init__(self, config: OIDCBFFConfig, prefix: str) -> None:
        load_pyjwt()
        self._config = config
        self._verify = verifier_of(config)
        self._cookies = Cookies(
            config.first_party_secret,
            config.state_ttl_seconds,
            is_secure=config.public_base_url.startswith("https:"),
        )
        self._waiting = WaitingLogins(
            config.bff_token_store or InMemoryOIDCBFFTokenStore(config.otc_ttl_seconds),
            config.first_party_secret,
        )
        self._places = Places(
            config.public_base_url, config.api_mount_path, prefix + config.callback_path
        )

    def login(self) -> Response:
        """Send the browser to the provider."""
        path = flask.request.args.get("next") or self._config.streamlit_redirect_path
        if not is_local(path):
            raise RefusedLoginError(400, "This link leads to somewhere else.")
        verifier, challenge = pkce_pair()
        pending, login = self._cookies.of_request().begin(verifier, path)
        with provider_failures():
            url = self._config.oidc.authorization_url(
                redirect_uri=self._places.callback(),
                state=login.state,
                code_challenge=challenge,
                scope=self._config.scope,
            )
        return self._redirect(with_query(url, nonce=login.nonce), pending)

    def callback(self) -> Response:
        """Take the browser that the provider has sent back."""
        arguments = flask.request.args
        pending = self._cookies.of_request()
        login = pending.find(arguments.get("state", ""))
        if login is None:
            raise RefusedLoginError(
                400, "This login wasn't begun in this browser, is over, or took too long."
            )
        # RFC 9207: a provider that says who it is must be the one that was asked. It may write
        # its name with a slash at the end that the configuration hasn't got.
        asked = self._config.oidc.issuer
        if arguments.get("iss", asked).rstrip("/") != asked.rstrip("/"):
            raise RefusedLoginError(400, "Another provider answers than was asked.")
        if "error" in arguments:
            raise RefusedLoginError.of_provider(arguments)
        claims = self._claims(arguments.get("code", ""), login)
        code = secrets.token_urlsafe(32)
        extra = {
            name: v for name in self._config.copy_claims if (v := claims.get(name)) is not None
        }
        waiting = Waiting(pending.browser, t.cast("str", claims.sub), extra)
        try:
            self._waiting.save(code, waiting)
        except FluxSyncError as e:
            logger.error("a login fails: %s", e)
            raise RefusedLoginError(503, "The application can't keep this sign-in.") from e
        page = with_query(self._places.page(login.path), auth_code=code)
        return self._redirect(page, pending.without(login))

    def _claims(self, code: str, login: Login) -> StandardClaims:
        """Return what the provider says about the user."""
        if not code:
            raise RefusedLoginError(400, "The provider sent no code.")
        with provider_failures():
            tokens = self._config.oidc.exchange_code(
                code=code,
                code_verifier=login.code_verifier,
                redirect_uri=self._places.callback(),
            )
            id_token = tokens.get("id_token")
            if not isinstance(id_token, str):
                raise ProviderError("the token endpoint sends no id_token")
            claims = self._verify(id_token, login.nonce)
            if not claims.sub:
                raise ProviderError("the id_token has no sub")
        return claims

    def exchange(self) -> Response:
        """Give a page its token for a one-time code."""
        try:
            asked = _Exchange.model_validate_json(_body())
        except pydantic.ValidationError:
            raise UnprocessableEntity("expected an object with a code") from None
        try:
            waiting = self._waiting.pop(asked.code)
        except FluxSyncError as e:
            logger.error("a login fails: %s", e)
            raise ServiceUnavailable("Logins can't be read.") from e
        pending = self._cookies.load(asked.browser or flask.request.cookies.get(COOKIE, ""))
        # A code that somebody else has got hold of, or wants this browser to use, is worth nothing.
        if waiting is None or pending is None or waiting.browser != pending.browser:
            raise Unauthorized("The code is used, too old, or of another browser.")
        config = self._config
        token = issue_hs256_access_token(
            subject=waiting.subject,
            issuer=config.token_issuer,
            audience=config.token_audience,
            secret=config.first_party_secret,
            ttl_seconds=config.access_token_ttl_seconds,
            extra_claims=waiting.claims,
        )
        lifetime = config.access_token_ttl_seconds
        return flask.jsonify(
            {"access_token": token, "token_type": "bearer", "expires_in": lifetime}
        )

    def logout(self) -> Response:
        """End the login here and at the provider."""
        page = self._places.page(self._config.streamlit_redirect_path)
        end = getattr(self._config.oidc, "end_session_url", None)
        url = None
        if end is not None:
            try:
                url = end(self._places.absolute_page(self._config.streamlit_redirect_path))
            except ProviderError as e:
                logger.warning("the provider isn't told of a logout: %s", e)
        response = flask.redirect(url or page)
        self._cookies.clear(response, self._places.cookie_path())
        return response

    def _redirect(self, url: str, pending: Pending) -> Response:
        response = flask.redirect(url)
        self._cookies.save(response, pending, self._places.cookie_path())
        return response
