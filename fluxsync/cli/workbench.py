"""``fluxsync workbench``."""

from __future__ import annotations

import contextlib
import sys

import click

from ..config import FluxSyncSettings
from ..config.sources import add_override
from .options import application, listening, pid_file, publish, trusting, with_settings


@click.command("workbench")
@application
@listening
@trusting
@with_settings
def command(settings: FluxSyncSettings) -> None:
    """Serve an application within a session of Posit Workbench or RStudio Server.

    It's reloaded when its files change, as by fluxsync dev. The URL for the browser is printed
    when it's ready.
    """
    from ..serving import devserver, loading

    loading.choose_target(settings)
    settings = publish(settings)
    add_override("streamlit_file_watcher", "auto")
    with contextlib.nullcontext() if devserver.is_reloaded() else pid_file(settings):
        sys.exit(devserver.run(settings))
