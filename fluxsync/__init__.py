"""An HTTP API and Streamlit pages on one port of any WSGI host.

Names are loaded when they're used: importing this package starts nothing and costs next to
nothing.
"""

from __future__ import annotations

import importlib
import typing as t

__version__ = "0.1.0"

__all__ = [
    "ApiClient",
    "ConfigError",
    "FluxSync",
    "FluxSyncError",
    "FluxSyncSettings",
    "PageError",
    "TargetError",
    "__version__",
]

_HOMES = {
    "ApiClient": "upstream.client",
    "ConfigError": "exceptions",
    "FluxSync": "app",
    "FluxSyncError": "exceptions",
    "FluxSyncSettings": "config",
    "PageError": "exceptions",
    "TargetError": "exceptions",
}

if t.TYPE_CHECKING:
    from .app import FluxSync
    from .config import FluxSyncSettings
    from .exceptions import ConfigError, FluxSyncError, PageError, TargetError
    from .upstream.client import ApiClient


def __getattr__(name: str) -> t.Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
