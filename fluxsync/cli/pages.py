"""``fluxsync pages``."""

from __future__ import annotations

import json
import sys

import click

from ..app import FluxSync
from ..config import FluxSyncSettings
from ..config.sources import override
from ..diagnostics.trial import in_one_line
from ..exceptions import ConfigError, FluxSyncError
from ..pages import validate_fluxsync_pages
from ..serving.loading import choose_target, import_application
from ..telemetry.redaction import hide

_target = click.argument("target", required=False, metavar="[MODULE:ATTRIBUTE]")


@click.group("pages")
def command() -> None:
    """Look at the pages of an application without serving it."""


@command.command("manifest")
@_target
def manifest(target: str | None) -> None:
    """Print what the pages are and what they take, as JSON."""
    click.echo(json.dumps(_load(target).build_page_manifest(), indent=2, ensure_ascii=False))


@command.command("validate")
@click.option("--strict", is_flag=True, help="Refuse parameters that nobody fills.")
@_target
def validate(target: str | None, strict: bool) -> None:
    """Check that the pages go together; print what is wrong, a line each."""
    faults = validate_fluxsync_pages(_load(target), strict=strict)
    for fault in faults:
        click.echo(fault)
    sys.exit(1 if faults else 0)


def _load(target: str | None) -> FluxSync:
    override({"app": target})
    settings = FluxSyncSettings()
    hide(settings.secrets())
    found = choose_target(settings)
    if not found:
        raise ConfigError(
            "app", "", source="default", expected="an application; scripts have no such pages"
        )
    try:
        return import_application(found)
    except FluxSyncError:
        raise
    except (Exception, SystemExit) as e:  # noqa: BLE001 # whatever the application's code raises
        click.echo(f"Error: {found} can't be imported: {in_one_line(e)}", err=True)
        sys.exit(1)
