"""Features of pages that an application has chosen to use."""

from __future__ import annotations

import dataclasses

from ..config import FluxSyncSettings


@dataclasses.dataclass(frozen=True)
class FluxSyncFeatureFlags:
    """The settings of features that aren't on by themselves; a page may take them."""

    #: Whether pages may be generator functions.
    experimental_yield_pages: bool = False

    @classmethod
    def from_settings(cls, settings: FluxSyncSettings) -> FluxSyncFeatureFlags:
        """Return those of an application."""
        return cls(experimental_yield_pages=settings.experimental_yield_pages)

    @classmethod
    def from_environ(cls) -> FluxSyncFeatureFlags:
        """Return those that the environment and the project's files say.

        :raise ConfigError: A setting is wrong.
        """
        return cls.from_settings(FluxSyncSettings())
