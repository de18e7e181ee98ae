"""``fluxsync new``."""

from __future__ import annotations

import pathlib

import click

from ..scaffold.project import PROFILES, create_project


@click.command("new")
@click.argument("name")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="minimal",
    show_default=True,
    help="Host that the project is for: posit is Posit Connect.",
)
def command(name: str, profile: str) -> None:
    """Make a new project in the directory NAME."""
    directory = pathlib.Path(name)
    for path in create_project(directory, directory.name, profile):
        click.echo(f"  {path}")
    click.echo(f"Try it:\n  cd {name}\n  fluxsync dev")
