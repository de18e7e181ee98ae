"""``fluxsync dev``."""

from __future__ import annotations

import contextlib
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
    trusting,
    with_settings,
)


@click.command("dev")
@application
@click.option(
    "--reload/--no-reload",
    default=True,
    show_default=True,
    help="Reload the application when its files change.",
)
@click.option(
    "--reload-scope",
    type=click.Choice(["gateway", "full"]),
    default="full",
    show_default=True,
    help="What is reloaded: the API alone, or pages too.",
)
@listening
@trusting
@publishing
@with_settings
def command(settings: FluxSyncSettings, reload: bool, reload_scope: str, workbench: bool) -> None:
    """Serve an application and reload it when its files change.

    The API is reloaded when a Python file of the application changes. Streamlit notices
    changes of pages itself, and asks or reruns as it's configured (server.runOnSave).
    """
    from ..serving import devserver, loading

    loading.choose_target(settings)
    if workbench:
        settings = publish(settings)
    if reload and reload_scope == "full":
        add_override("streamlit_file_watcher", "auto")
    # The process that serves, while the reloader has the file.
    with contextlib.nullcontext() if devserver.is_reloaded() else pid_file(settings):
        sys.exit(devserver.run(settings, reload=reload))
