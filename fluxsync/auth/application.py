"""What an application gets by its settings: a bearer, and the routes of logins."""

from __future__ import annotations

import typing as t

import flask

from ..config.environment import is_pages_process
from ..exceptions import ConfigError
from .bff import OIDCBFFConfig, register_oidc_bff_routes
from .codes import TTL, SessionOIDCBFFTokenStore
from .jwt import JWTBearer, RefusingBearer

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from .codes import Sessions
    from .oidc import OIDCProvider


def make_bearer(settings: FluxSyncSettings) -> JWTBearer:
    """Return the bearer that the settings describe.

    Streamlit's process hasn't got the secrets, but imports the same module: there, it's one that
    believes nobody.

    :raise ConfigError: The settings don't describe one.
    """
    try:
        return JWTBearer.from_fluxsync_settings(settings)
    except ConfigError:
        if is_pages_process():
            return RefusingBearer()
        raise


def attach_login(
    api: object,
    settings: FluxSyncSettings,
    sessions: t.Callable[[], Sessions],
    oidc: OIDCProvider,
    first_party_secret: str | None,
    overrides: dict[str, t.Any],
) -> flask.Blueprint:
    """Add the routes of logins to an API; in Streamlit's process without the secret, none.

    :param sessions: Returns the application's session store.
    :param overrides: Arguments of :class:`OIDCBFFConfig`.
    :raise ConfigError: There's no secret.
    :raise ValueError: It isn't a Flask application, or has the routes already.
    """
    if not isinstance(api, flask.Flask):
        raise ValueError(
            f"api={type(api).__name__}: expected a Flask application for the routes of logins; "
            "another one has its own"
        )
    if "fluxsync_oidc" in api.blueprints:
        raise ValueError("attach_oidc_login was called before for this API: call it once")
    secret = first_party_secret or settings.oidc_bff_secret
    if not secret:
        if is_pages_process():
            return flask.Blueprint("fluxsync_oidc", __name__)
        raise ConfigError(
            "oidc_bff_secret",
            "",
            source=settings.source("oidc_bff_secret"),
            expected="at least 32 characters, such as of: openssl rand -hex 32",
        )
    lifetime = overrides.get("otc_ttl_seconds", TTL)
    given: dict[str, t.Any] = {
        "api_mount_path": settings.api_mount_path,
        "bff_token_store": SessionOIDCBFFTokenStore(sessions, lifetime),
        **overrides,
    }
    return register_oidc_bff_routes(api, OIDCBFFConfig(oidc, secret, **given))
