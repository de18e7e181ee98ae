"""The settings in effect: values, where they come from, what this host implies, and advice."""

from __future__ import annotations

import os
import typing as t

from ..config.advice import advise
from ..config.platform import Platform, find_platform, public_url
from ..sansio.rootpath import PREFIX_FIELDS

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings


def effective(settings: FluxSyncSettings) -> dict[str, t.Any]:
    """Return what is in effect as JSON types, without secrets."""
    platform = find_platform(os.environ, settings.gateway_port)
    return {
        "settings": {
            name: {"value": settings.shown(name), "source": settings.source(name)}
            for name in type(settings).model_fields
        },
        "host": platform.name,
        "root_path": [
            {"rule": rule, "path": path} for rule, path in root_path_rules(settings, platform)
        ],
        "url": public_url(settings, platform),
        "warnings": [advice.as_dict() for advice in advise(settings)],
    }


def root_path_rules(settings: FluxSyncSettings, platform: Platform) -> list[tuple[str, str]]:
    """Return the rules that apply here, in their order, and what they say.

    The last one always says something.
    """
    setting = settings.root
    if setting.rule:
        return [(setting.rule, setting.path or "/")]
    rules = [("SCRIPT_NAME", "as the WSGI server has it")]
    if platform.is_connect:
        rules.append(("RStudio-Connect-App-Base-URL, X-RSC-Request", "as Posit Connect says"))
    if settings.trusted_networks:
        fields = ", ".join(name.title() for name in PREFIX_FIELDS)
        rules.append((fields, "as trusted proxies say"))
    for guess in platform.guesses:
        suffix = "" if guess.is_stripped else " (if a request begins with it)"
        rules.append((guess.rule, guess.path + suffix))
    if not any(guess.is_stripped for guess in platform.guesses):
        rules.append(("none", "/"))
    return rules
