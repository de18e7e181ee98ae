"""``fluxsync run``."""

from __future__ import annotations

import sys

import click

from ..config import FluxSyncSettings
from ..config.sources import add_override
from .options import (
    application,
    listening,
    pid_file,
    publish,
    publishing,
    serving,
    trusting,
    with_settings,
)


@click.command("run")
@application
@serving
@listening
@trusting
@publishing
@with_settings
def command(settings: FluxSyncSettings, workbench: bool) -> None:
    """Serve an application with gunicorn.

    Without MODULE:ATTRIBUTE it's what FLUXSYNC_APP or fluxsync.toml name, or app:app.
    """
    from ..serving import gunicorn, loading

    loading.choose_target(settings)
    if workbench:
        settings = publish(settings)
    add_override("exit_if_streamlit_fails", True)
    with pid_file(settings):
        sys.exit(gunicorn.run(settings))
