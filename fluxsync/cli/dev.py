"""``fluxsync dev``."""

from __future__ import annotations

import sys

import click

from ..config import FluxSyncSettings
from ..config.sources import add_override
from .options import application, listening, with_settings


@click.command("dev")
@application
@listening
@with_settings
def command(settings: FluxSyncSettings) -> None:
    """Serve an application and reload it when its files change.

    The API is reloaded when a Python file of the application changes. Streamlit notices
    changes of pages itself, and asks or reruns as it's configured (server.runOnSave).
    """
    from ..serving import devserver, loading

    loading.choose_target(settings)
    add_override("streamlit_file_watcher", "auto")
    sys.exit(devserver.run(settings))
