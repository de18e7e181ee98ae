"""``fluxsync demo``."""

from __future__ import annotations

import sys

import click

from ..config import FluxSyncSettings
from ..config.sources import override
from .options import listening, serving

#: The demo is what it is, whatever the project in this directory says.
_FIXED = {
    "app": "fluxsync.demo.app:app",
    "streamlit_script": "",
    "streamlit_upstream": [],
    "exit_if_streamlit_fails": True,
    # Without Streamlit's menu for developers.
    "streamlit_run_cli_args": ["--client.toolbarMode=viewer"],
}


@click.command("demo")
@serving
@listening
def command(**options: object) -> None:
    """Serve the demo: an API and five pages that use it."""
    from ..serving import gunicorn

    override({**options, **_FIXED})
    sys.exit(gunicorn.run(FluxSyncSettings()))
