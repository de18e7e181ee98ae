"""``fluxsync build``."""

from __future__ import annotations

import sys

import click

from ..assets import build, directories, encoders, frontend
from ..config import FluxSyncSettings
from ..config.sources import override


@click.command("build")
@click.option("--cache-dir", help="Directory to make them in. [default: the user's cache]")
def command(cache_dir: str | None) -> None:
    """Compress Streamlit's frontend files now, as small as possible.

    A running application does this by itself, quickly and for larger files. Do it where an image
    is made, with cache_dir set to a directory of the image. It takes half a minute.
    """
    override({"cache_dir": cache_dir})
    # One that isn't there when the image runs is of no use.
    base, *_ = directories.candidates(FluxSyncSettings().cache_dir)
    package = frontend.find_package()
    if package is None:
        click.echo("Error: Streamlit is not installed", err=True)
        sys.exit(1)
    try:
        files = frontend.scan(package)
        for built in build.build(files, [base], encoders.encoders(best=True)):
            click.echo(f"{built}{'' if built.is_new else ' already'}")
    except OSError as e:
        click.echo(f"Error: {e}", err=True)
        sys.exit(1)
