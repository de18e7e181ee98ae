"""The arguments of ``streamlit run``. Doesn't import Streamlit."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import typing as t

from ..sansio.identity import STREAMLIT_FIELDS

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings

#: Names the application to Streamlit's process.
TARGET_VARIABLE = "FLUXSYNC_APP"

#: The script that shows an application's pages.
SCRIPT = pathlib.Path(__file__).with_name("script") / "fluxsync_main.py"


def streamlit_arguments(
    settings: FluxSyncSettings, *, knows_users: bool = False
) -> tuple[str, ...]:
    """Return what follows ``streamlit run``: the script, and options that it needs.

    The application's own options come last, and win where there are two.

    :param knows_users: Whether the gateway tells Streamlit who a user is.
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
        *(_user_options() if knows_users else ()),
        *settings.streamlit_run_cli_args,
    )


def _user_options() -> tuple[str, ...]:
    major, minor = importlib.metadata.version("streamlit").split(".")[:2]
    if (int(major), int(minor)) < (1, 49):
        return ()  # it doesn't know the option, and wouldn't start with it
    return (f"--server.trustedUserHeaders={json.dumps(STREAMLIT_FIELDS)}",)
