"""``fluxsync new``."""

from __future__ import annotations

import os
import pathlib
import shlex

import click

from ..scaffold.project import PROFILES, create_project


@click.command("new")
@click.argument("name")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="minimal",
    show_default=True,
    help="What it's to begin with: users (auth-ready), what a server needs (deploy), or what Posit"
    " Connect needs (posit).",
)
def command(name: str, profile: str) -> None:
    """Make a new project in the directory NAME."""
    directory = pathlib.Path(name)
    # "." has no name of its own.
    own = os.path.basename(os.path.abspath(name)) if name else name
    for path in create_project(directory, own, profile):
        click.echo(f"  {path}")
    click.echo(f"Try it:\n  cd {shlex.quote(name)}\n  fluxsync dev")
