"""``fluxsync new``."""

from __future__ import annotations

import pathlib

import click


@click.command("new")
@click.argument("name")
def command(name: str) -> None:
    """Make a new project in the directory NAME."""
    from ..scaffold.project import create_project

    directory = pathlib.Path(name)
    for path in create_project(directory, directory.name):
        click.echo(f"  {path}")
    click.echo(f"Try it:\n  cd {name}\n  fluxsync dev")
