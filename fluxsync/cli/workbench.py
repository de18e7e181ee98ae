"""``fluxsync workbench``."""

from __future__ import annotations

import os
import sys

import click

from ..config import FluxSyncSettings
from ..config.sources import add_override
from .options import application, listening, with_settings


@click.command("workbench")
@application
@listening
@with_settings
def command(settings: FluxSyncSettings) -> None:
    """Serve an application within a session of Posit Workbench or RStudio Server.

    It's reloaded when its files change, as by fluxsync dev. The URL for the browser is printed
    when it's ready.
    """
    from ..serving import devserver, loading, workbench

    loading.choose_target(settings)
    url = workbench.find_url(os.environ, settings.gateway_port)
    if not settings.root.rule:
        # A session may not know under which name its server is reached.
        add_override("root_path" if url.startswith("/") else "public_base_url", url)
    add_override("streamlit_file_watcher", "auto")
    sys.exit(devserver.run(FluxSyncSettings()))
