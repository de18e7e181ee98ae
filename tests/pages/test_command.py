from __future__ import annotations

from pathlib import Path

import pytest

from fluxsync.config import FluxSyncSettings
from fluxsync.pages.command import SCRIPT, streamlit_arguments


def test_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    script, *options = streamlit_arguments(FluxSyncSettings(streamlit_file_watcher="poll"))

    assert script == str(SCRIPT)
    assert dict(option.split("=") for option in options) == {
        "--server.headless": "true",
        "--server.address": "127.0.0.1",
        "--server.port": "0",
        "--server.baseUrlPath": "",
        "--browser.gatherUsageStats": "false",
        "--server.fileWatcherType": "poll",
    }


def test_own_script_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = FluxSyncSettings(
        streamlit_script="dashboard.py", streamlit_run_cli_args=["--theme.base=dark"]
    )

    script, *options = streamlit_arguments(settings)

    assert script == "dashboard.py"
    assert options[-1] == "--theme.base=dark"


def test_script_is_alone() -> None:
    """Each module beside it would hide one of the application's."""
    assert SCRIPT.is_file()
    assert {path.name for path in SCRIPT.parent.glob("*.py")} == {"__init__.py", SCRIPT.name}
