"""``fluxsync config``."""

from __future__ import annotations

import json
import os
import typing as t

import click

from ..config import FluxSyncSettings
from ..config.platform import Platform, find_platform, public_url
from ..config.sources import override
from ..sansio.rootpath import PREFIX_FIELDS
from .options import listening


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@listening
def command(as_json: bool, **options: t.Any) -> None:
    """Show all settings, where each comes from, and what this host implies.

    Where no setting says what the root path is, it depends on requests: it's what the first rule
    says that has an answer.
    """
    override(options)
    settings = FluxSyncSettings()
    platform = find_platform(os.environ, settings.gateway_port)
    (_print_json if as_json else _print_text)(settings, platform)


def _print_json(settings: FluxSyncSettings, platform: Platform) -> None:
    values = {
        name: {"value": settings.shown(name), "source": settings.source(name)}
        for name in type(settings).model_fields
    }
    rules = [{"rule": rule, "path": path} for rule, path in root_path_rules(settings, platform)]
    url = public_url(settings, platform)
    found = {"settings": values, "host": platform.name, "root_path": rules, "url": url}
    click.echo(json.dumps(found, indent=2))


def _print_text(settings: FluxSyncSettings, platform: Platform) -> None:
    for name in type(settings).model_fields:
        value, source = settings.shown(name), settings.source(name)
        shown = list(value) if isinstance(value, tuple) else value
        origin = "" if source == "default" else f"  ({source})"
        click.echo(f"{name} = {json.dumps(shown)}{origin}")
    click.echo(f"\nHost: {platform.name or 'nothing special'}")
    if url := public_url(settings, platform):
        click.echo(f"In the browser: {url}")
    click.echo("Root path, by the first rule that says one:")
    for rule, path in root_path_rules(settings, platform):
        click.echo(f"  {rule}: {path}")


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
