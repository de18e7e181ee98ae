"""Who calls the API: bearer tokens, logins at an OpenID provider, users of a trusted proxy.

Names are loaded when they're used. Tokens need the extra ``auth``.
"""

from __future__ import annotations

import importlib
import typing as t

_HOMES = {
    "AuthDependency": "trusted_proxy",
    "GenericOIDCClient": "oidc",
    "GenericOIDCClientConfig": "oidc",
    "InMemoryOIDCBFFTokenStore": "codes",
    "JWTAuthConfig": "jwt",
    "JWTBearer": "jwt",
    "OIDCBFFConfig": "bff",
    "OIDCBFFTokenStore": "codes",
    "OIDCProvider": "oidc",
    "RequireRoles": "jwt",
    "RequireScopes": "jwt",
    "SessionOIDCBFFTokenStore": "codes",
    "StandardClaims": "claims",
    "TrustedProxyUser": "trusted_proxy",
    "TrustedProxyUserConfig": "trusted_proxy",
    "bearer_headers_from_session": "streamlit",
    "exchange_auth_code_from_query": "streamlit",
    "issue_hs256_access_token": "claims",
    "pkce_pair": "oidc",
    "prepare_streamlit_api_client": "streamlit",
    "proxy_user_header": "trusted_proxy",
    "register_oidc_bff_routes": "bff",
}

__all__ = [
    "AuthDependency",
    "GenericOIDCClient",
    "GenericOIDCClientConfig",
    "InMemoryOIDCBFFTokenStore",
    "JWTAuthConfig",
    "JWTBearer",
    "OIDCBFFConfig",
    "OIDCBFFTokenStore",
    "OIDCProvider",
    "RequireRoles",
    "RequireScopes",
    "SessionOIDCBFFTokenStore",
    "StandardClaims",
    "TrustedProxyUser",
    "TrustedProxyUserConfig",
    "bearer_headers_from_session",
    "exchange_auth_code_from_query",
    "issue_hs256_access_token",
    "pkce_pair",
    "prepare_streamlit_api_client",
    "proxy_user_header",
    "register_oidc_bff_routes",
]

if t.TYPE_CHECKING:
    from .bff import OIDCBFFConfig, register_oidc_bff_routes
    from .claims import StandardClaims, issue_hs256_access_token
    from .codes import InMemoryOIDCBFFTokenStore, OIDCBFFTokenStore, SessionOIDCBFFTokenStore
    from .jwt import JWTAuthConfig, JWTBearer, RequireRoles, RequireScopes
    from .oidc import GenericOIDCClient, GenericOIDCClientConfig, OIDCProvider, pkce_pair
    from .streamlit import (
        bearer_headers_from_session,
        exchange_auth_code_from_query,
        prepare_streamlit_api_client,
    )
    from .trusted_proxy import (
        AuthDependency,
        TrustedProxyUser,
        TrustedProxyUserConfig,
        proxy_user_header,
    )


def __getattr__(name: str) -> t.Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
