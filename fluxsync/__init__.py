"""An HTTP API and Streamlit pages on one port of any WSGI host.

Names are loaded when they're used: importing this package starts nothing and costs next to
nothing.
"""

from __future__ import annotations

import importlib
import typing as t

from .version import __version__

__all__ = [
    "ApiAnswerError",
    "ApiClient",
    "ApiError",
    "ApiStatusError",
    "ConfigError",
    "Cookie",
    "Depends",
    "FakeStreamlit",
    "FluxSync",
    "FluxSyncError",
    "FluxSyncFeatureFlags",
    "FluxSyncPublicUrls",
    "FluxSyncSettings",
    "FluxSyncTestClient",
    "GenericOIDCClient",
    "GenericOIDCClientConfig",
    "Header",
    "InMemoryOIDCBFFTokenStore",
    "InMemorySessionStore",
    "JWTAuthConfig",
    "JWTBearer",
    "NavigationModel",
    "OIDCBFFConfig",
    "OIDCBFFTokenStore",
    "OIDCProvider",
    "Page",
    "PageError",
    "PageInputError",
    "PageMeta",
    "Query",
    "RedisSessionStore",
    "RequireRoles",
    "RequireScopes",
    "SQLAlchemySessionStore",
    "SQLiteSessionStore",
    "SessionError",
    "SessionModel",
    "SessionStore",
    "StandardClaims",
    "TargetError",
    "UnknownUrl",
    "__version__",
    "apptest_assert_no_errors",
    "apptest_select_page",
    "assert_no_streamlit_exception",
    "bearer_headers_from_session",
    "end_url_session",
    "ensure_url_session",
    "exchange_auth_code_from_query",
    "hydrate_url_session",
    "hydrate_url_session_typed",
    "issue_hs256_access_token",
    "match_nav_page",
    "new_session_id",
    "open_session_store",
    "parse_query_params",
    "persist_url_session",
    "pkce_pair",
    "prepare_streamlit_api_client",
    "query_params",
    "register_oidc_bff_routes",
    "reset_trace_hook",
    "rotate_url_session",
    "set_trace_hook",
    "streamlit_main_path",
    "trace_span",
]

_HOMES = {
    "ApiAnswerError": "upstream.models",
    "ApiClient": "upstream.client",
    "ApiError": "exceptions",
    "ApiStatusError": "upstream.models",
    "ConfigError": "exceptions",
    "Cookie": "pages.markers",
    "Depends": "pages.markers",
    "FakeStreamlit": "testing.fakestreamlit",
    "FluxSync": "app",
    "FluxSyncError": "exceptions",
    "FluxSyncFeatureFlags": "pages.flags",
    "FluxSyncPublicUrls": "gateway.urls",
    "FluxSyncSettings": "config",
    "FluxSyncTestClient": "testing.client",
    "GenericOIDCClient": "auth.oidc",
    "GenericOIDCClientConfig": "auth.oidc",
    "Header": "pages.markers",
    "InMemoryOIDCBFFTokenStore": "auth.codes",
    "InMemorySessionStore": "sessions.memory",
    "JWTAuthConfig": "auth.jwt",
    "JWTBearer": "auth.jwt",
    "NavigationModel": "pages.ordering",
    "OIDCBFFConfig": "auth.bff",
    "OIDCBFFTokenStore": "auth.codes",
    "OIDCProvider": "auth.oidc",
    "Page": "pages.meta",
    "PageError": "exceptions",
    "PageInputError": "exceptions",
    "PageMeta": "pages.meta",
    "Query": "pages.markers",
    "RedisSessionStore": "sessions.redis",
    "RequireRoles": "auth.jwt",
    "RequireScopes": "auth.jwt",
    "SQLAlchemySessionStore": "sessions.sqlalchemy",
    "SQLiteSessionStore": "sessions.sqlite",
    "SessionError": "exceptions",
    "SessionModel": "pages.session_state",
    "SessionStore": "sessions.store",
    "StandardClaims": "auth.claims",
    "TargetError": "exceptions",
    "UnknownUrl": "gateway.urls",
    "apptest_assert_no_errors": "testing.apptest",
    "apptest_select_page": "testing.apptest",
    "assert_no_streamlit_exception": "testing.apptest",
    "bearer_headers_from_session": "auth.streamlit",
    "end_url_session": "sessions.url",
    "ensure_url_session": "sessions.url",
    "exchange_auth_code_from_query": "auth.streamlit",
    "hydrate_url_session": "sessions.url",
    "hydrate_url_session_typed": "sessions.url",
    "issue_hs256_access_token": "auth.claims",
    "match_nav_page": "pages.deep_links",
    "new_session_id": "sessions.url",
    "open_session_store": "sessions.opening",
    "parse_query_params": "pages.query",
    "persist_url_session": "sessions.url",
    "pkce_pair": "auth.oidc",
    "prepare_streamlit_api_client": "auth.streamlit",
    "query_params": "pages.deep_links",
    "register_oidc_bff_routes": "auth.bff",
    "reset_trace_hook": "telemetry.tracing",
    "rotate_url_session": "sessions.url",
    "set_trace_hook": "telemetry.tracing",
    "streamlit_main_path": "testing.apptest",
    "trace_span": "telemetry.tracing",
}

if t.TYPE_CHECKING:
    from .app import FluxSync
    from .auth.bff import OIDCBFFConfig, register_oidc_bff_routes
    from .auth.claims import StandardClaims, issue_hs256_access_token
    from .auth.codes import InMemoryOIDCBFFTokenStore, OIDCBFFTokenStore
    from .auth.jwt import JWTAuthConfig, JWTBearer, RequireRoles, RequireScopes
    from .auth.oidc import GenericOIDCClient, GenericOIDCClientConfig, OIDCProvider, pkce_pair
    from .auth.streamlit import (
        bearer_headers_from_session,
        exchange_auth_code_from_query,
        prepare_streamlit_api_client,
    )
    from .config import FluxSyncSettings
    from .exceptions import (
        ApiError,
        ConfigError,
        FluxSyncError,
        PageError,
        PageInputError,
        SessionError,
        TargetError,
    )
    from .gateway.urls import FluxSyncPublicUrls, UnknownUrl
    from .pages.deep_links import match_nav_page, query_params
    from .pages.flags import FluxSyncFeatureFlags
    from .pages.markers import Cookie, Depends, Header, Query
    from .pages.meta import Page, PageMeta
    from .pages.ordering import NavigationModel
    from .pages.query import parse_query_params
    from .pages.session_state import SessionModel
    from .sessions.memory import InMemorySessionStore
    from .sessions.opening import open_session_store
    from .sessions.redis import RedisSessionStore
    from .sessions.sqlalchemy import SQLAlchemySessionStore
    from .sessions.sqlite import SQLiteSessionStore
    from .sessions.store import SessionStore
    from .sessions.url import (
        end_url_session,
        ensure_url_session,
        hydrate_url_session,
        hydrate_url_session_typed,
        new_session_id,
        persist_url_session,
        rotate_url_session,
    )
    from .telemetry.tracing import reset_trace_hook, set_trace_hook, trace_span
    from .testing.apptest import (
        apptest_assert_no_errors,
        apptest_select_page,
        assert_no_streamlit_exception,
        streamlit_main_path,
    )
    from .testing.client import FluxSyncTestClient
    from .testing.fakestreamlit import FakeStreamlit
    from .upstream.client import ApiClient
    from .upstream.models import ApiAnswerError, ApiStatusError


def __getattr__(name: str) -> t.Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
