"""Streamlit's side: pages, and how Streamlit is started to show them."""

from __future__ import annotations

from .deep_links import match_nav_page, query_params
from .flags import FluxSyncFeatureFlags
from .manifest import build_page_manifest, validate_fluxsync_pages
from .markers import Cookie, Depends, Header, Query
from .meta import Page, PageMeta
from .ordering import NavigationModel
from .query import parse_query_params, parse_query_params_adapter
from .registry import PageRecord
from .session_state import SessionModel

__all__ = [
    "Cookie",
    "Depends",
    "FluxSyncFeatureFlags",
    "Header",
    "NavigationModel",
    "Page",
    "PageMeta",
    "PageRecord",
    "Query",
    "SessionModel",
    "build_page_manifest",
    "match_nav_page",
    "parse_query_params",
    "parse_query_params_adapter",
    "query_params",
    "validate_fluxsync_pages",
]
