"""The arguments of ``streamlit run``. Doesn't import Streamlit."""

from __future__ import annotations

import pathlib
import typing as t

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings

#: Names the application to Streamlit's process.
TARGET_VARIABLE = "FLUXSYNC_APP"

#: The script that shows an application's pages.
SCRIPT = pathlib.Path(__file__).with_name("script") / "fluxsync_main.py"


def streamlit_arguments(settings: FluxSyncSettings) -> tuple[str, ...]:
    """Return what follows ``streamlit run``: the script, and options that it needs.

    The application's own options come last, and win where there are two.
    """
    return (
        settings.streamlit_script or str(SCRIPT),
        "--server.headless=true",
        # Streamlit listens on all interfaces unless told otherwise (1.67).
        "--server.address=127.0.0.1",
        # The kernel picks a free one; the process tells the supervisor which.
        "--server.port=0",
        # The gateway owns the prefix, whatever a config.toml says.
        "--server.baseUrlPath=",
        "--browser.gatherUsageStats=false",
        f"--server.fileWatcherType={settings.streamlit_file_watcher}",
        *settings.streamlit_run_cli_args,
    )
