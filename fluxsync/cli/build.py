"""``fluxsync build``."""

from __future__ import annotations

import contextlib
import pathlib
import shlex
import sys
import typing as t

import click

from ..assets import build, directories, encoders, frontend
from ..config import FluxSyncSettings
from ..config.sources import override
from ..scaffold import image


@click.command("build")
@click.argument("target", required=False, metavar="[MODULE:ATTRIBUTE]")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=pathlib.Path),
    help="Directory for the Dockerfile. [default: the current one]",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite a Dockerfile that is there.")
@click.option(
    "--cache-dir",
    metavar="DIR",
    help="Directory for the compressed files. [default: the user's cache]",
)
def command(
    target: str | None, output: pathlib.Path | None, force: bool, cache_dir: str | None
) -> None:
    """Prepare an image.

    With MODULE:ATTRIBUTE or --output, write a Dockerfile and its .dockerignore for the
    application and the requirements.txt in the current directory.

    Without, compress Streamlit's frontend files now, as small as possible. A running application
    does this by itself, quickly and for larger files. The Dockerfile does it where the image is
    made, with --cache-dir set to a directory of the image. It takes half a minute.
    """
    if target is None and output is None:
        if force:
            raise click.UsageError("--force is for a Dockerfile: name MODULE:ATTRIBUTE or --output")
        _compress(cache_dir)
    elif cache_dir is not None:
        raise click.UsageError("--cache-dir doesn't go with MODULE:ATTRIBUTE or --output")
    else:
        _write(target, output or pathlib.Path(), force)


def _write(target: str | None, output: pathlib.Path, force: bool) -> None:
    override({"app": target})
    here = pathlib.Path.cwd()
    files = image.create_image_files(here, output, _command(here), overwrite=force)
    for path in files:
        click.echo(f"  {path}")
    elsewhere = "" if output.resolve() == here else f"-f {shlex.quote(str(files[0]))} "
    click.echo(f"Try it:\n  docker build -t app {elsewhere}.")
    click.echo("  docker run --init --read-only --tmpfs /tmp -p 8000:8000 app")


def _command(here: pathlib.Path) -> list[str]:
    """Return what the image runs: what is named here, as variables from here aren't there."""
    from ..serving import loading

    settings = FluxSyncSettings()
    if target := loading.choose_target(settings):
        image.check_target(target, here)
        return ["fluxsync", "run", target]
    if script := settings.streamlit_script:
        image.check_file(script, here)
        return ["fluxsync", "run", "--script", script]
    return ["fluxsync", "run"]


def _compress(cache_dir: str | None) -> None:
    override({"cache_dir": cache_dir})
    # One that isn't there when the image runs is of no use.
    base, *_ = directories.candidates(FluxSyncSettings().cache_dir)
    package = frontend.find_package()
    if package is None:
        click.echo("Error: Streamlit is not installed", err=True)
        sys.exit(1)
    try:
        files = frontend.scan(package)
        chosen = encoders.encoders(best=True)
        with _bar(files, len(chosen)) as advance:
            made = list(build.build(files, [base], chosen, advance))
    except OSError as e:
        click.echo(f"Error: {e}", err=True)
        sys.exit(1)
    for built in made:
        click.echo(f"{built}{'' if built.is_new else ' already'}")


@contextlib.contextmanager
def _bar(files: frontend.Frontend, sets: int) -> t.Iterator[t.Callable[[int], object]]:
    """Show on a terminal how far it is; yield what is to be called with bytes that are done."""
    if not sys.stderr.isatty():
        yield int
        return
    length = sets * sum(file.size for file in files.files.values() if file.is_compressible)
    with click.progressbar(length=length, label="Compressing", file=sys.stderr) as bar:
        yield bar.update
