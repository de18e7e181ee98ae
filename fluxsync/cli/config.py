"""``fluxsync config``."""

from __future__ import annotations

import json
import sys
import typing as t

import click

from ..config import FluxSyncSettings
from ..config.sources import override
from ..diagnostics.effective import effective
from .options import TIMEOUT, listening

_COLOURS = {"error": "red", "warning": "yellow"}


@click.command("config")
@click.argument("target", required=False, metavar="[MODULE:ATTRIBUTE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@listening
def command(target: str | None, as_json: bool, strict: bool, **options: t.Any) -> None:
    """Show all settings, where each comes from, and what this host implies.

    With MODULE:ATTRIBUTE the application is imported, in a process of its own, and its code's
    settings are among them. Where no setting says what the root path is, it depends on requests:
    it's what the first rule says that has an answer.

    At the end stands what is advised against. The exit status is 1 if there's an error among it.
    """
    override({**options, "app": target})
    settings = FluxSyncSettings()
    found = _of_application(target) if target else effective(settings)
    found = {"target": target or settings.app, **found}
    click.echo(json.dumps(found, indent=2) if as_json else _describe(found))
    levels = {warning["level"] for warning in found["warnings"]}
    sys.exit(1 if "error" in levels or (strict and levels) else 0)


def _of_application(target: str) -> dict[str, t.Any]:
    from ..diagnostics.trial import try_loading

    trial = try_loading(target, TIMEOUT)
    if trial.fault:
        click.echo(f"Error: {target}: {trial.fault}", err=True)
        sys.exit(2 if trial.is_usage else 1)
    return trial.effective


def _describe(found: dict[str, t.Any]) -> str:
    lines = []
    for name, setting in found["settings"].items():
        origin = "" if setting["source"] == "default" else f"  ({setting['source']})"
        lines.append(f"{name} = {json.dumps(setting['value'])}{origin}")
    lines.append(f"\nHost: {found['host'] or 'nothing special'}")
    if found["url"]:
        lines.append(f"In the browser: {found['url']}")
    lines.append("Root path, by the first rule that says one:")
    lines += [f"  {rule['rule']}: {rule['path']}" for rule in found["root_path"]]
    if found["warnings"]:
        lines.append("")
    for warning in found["warnings"]:
        level = click.style(warning["level"].ljust(8), fg=_COLOURS[warning["level"]])
        lines.append(f"{level} {warning['message']} ({warning['code']})")
    return "\n".join(lines)
