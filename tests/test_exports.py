from __future__ import annotations

import subprocess
import sys

import pytest

import fluxsync

HEAVY = ("click", "dotenv", "flask", "gunicorn", "pydantic", "requests", "streamlit", "werkzeug")


#: What FluxLit has at its top level, by the names that stand for them here; tracing aside.
FLUXLIT = [
    "ApiClient",
    "Depends",
    "Header",
    "Cookie",
    "Query",
    "parse_query_params",
    "Page",
    "PageMeta",
    "NavigationModel",
    "SessionModel",
    "apptest_assert_no_errors",
    "apptest_select_page",
    "assert_no_streamlit_exception",
    "streamlit_main_path",
    "JWTAuthConfig",
    "JWTBearer",
    "RequireRoles",
    "RequireScopes",
    "StandardClaims",
    "issue_hs256_access_token",
    "OIDCProvider",
    "GenericOIDCClient",
    "GenericOIDCClientConfig",
    "OIDCBFFConfig",
    "OIDCBFFTokenStore",
    "InMemoryOIDCBFFTokenStore",
    "pkce_pair",
    "register_oidc_bff_routes",
    "bearer_headers_from_session",
    "exchange_auth_code_from_query",
    "prepare_streamlit_api_client",
    "SessionStore",
    "InMemorySessionStore",
    "new_session_id",
    "ensure_url_session",
    "hydrate_url_session",
    "hydrate_url_session_typed",
    "persist_url_session",
    "match_nav_page",
    "query_params",
    "FluxSync",
    "FluxSyncPublicUrls",
    "FluxSyncSettings",
    "FluxSyncTestClient",
    "__version__",
]


#: FluxLit's second names of something.
ALIASES = ("Page", "apptest_assert_no_errors")


def test_public_names() -> None:
    assert set(FLUXLIT) <= set(fluxsync.__all__)
    assert fluxsync.__all__ == sorted(set(fluxsync.__all__))


@pytest.mark.parametrize("name", fluxsync.__all__)
def test_name_is_there(name: str) -> None:
    value = getattr(fluxsync, name)

    assert name in dir(fluxsync)
    assert name in ("__version__", *ALIASES) or value.__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'fluxsync' has no attribute 'Application'"):
        fluxsync.Application  # noqa: B018


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    "module",
    [
        "fluxsync",
        "fluxsync.exceptions",
        "fluxsync.bridges.relay",
        "fluxsync.process.supervisor",
        "fluxsync.telemetry.logs",
    ],
)
def test_import_is_light(module: str) -> None:
    """The supervisor is small since it needs the standard library only."""
    loaded = run(f"import sys, {module}; print(*{{m.partition('.')[0] for m in sys.modules}})")

    assert not set(HEAVY) & set(loaded.split())


def test_import_starts_nothing() -> None:
    told = run(
        "import os, threading\n"
        "import fluxsync.app, fluxsync.cli, fluxsync.pages.command\n"
        "try:\n"
        "    children = os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError:\n"
        "    children = 'none'\n"
        "print(threading.active_count(), children)"
    )

    assert told == "1 none\n"
