"""Settings: what they are, where they come from, and the application they name."""

from __future__ import annotations

from .settings import FluxSyncSettings

__all__ = ["FluxSyncSettings"]
