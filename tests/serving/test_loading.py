"""What a server says about an application that can't be loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import gunicorn.errors
import pytest

from fluxsync.exceptions import ConfigError
from fluxsync.serving.loading import refused
from tests.live.served import GUNICORN
from tests.support.processes import environment
from tests.support.waiting import FACTOR

WRONG = ConfigError("threads", 0, source="environment", expected="more")


def serve(directory: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run gunicorn until it gives up."""
    (directory / "gunicorn.conf.py").write_text(GUNICORN)
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", *options, "fluxsync.wsgi"],
        env=environment({"FLUXSYNC_STATE_DIR": str(directory / "state"), **env}),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60 * FACTOR,
    )


def records(output: str) -> list[dict[str, t.Any]]:
    """Return the lines that are JSON."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_workers_of_gunicorn(log_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They print an exception of this kind as it is."""
    monkeypatch.setenv("FLUXSYNC_LOG_FORMAT", log_format)
    error = refused(WRONG)

    assert isinstance(error, gunicorn.errors.AppImportError)
    words = json.loads(str(error))["message"] if log_format == "json" else str(error)
    assert words == "fluxsync: threads=0 from environment: expected more"


def test_setting_in_json(tmp_path: Path) -> None:
    result = serve(tmp_path, FLUXSYNC_THREADS="0", FLUXSYNC_LOG_FORMAT="json")

    assert result.returncode == 4
    (said,) = records(result.stderr)
    assert said["message"].startswith("fluxsync: threads='0' from environment: expected an integer")
    assert "Traceback" not in result.stderr


def test_target_in_json(tmp_path: Path) -> None:
    result = serve(tmp_path, FLUXSYNC_APP="nope:app", FLUXSYNC_LOG_FORMAT="json")

    assert result.returncode == 4
    messages = [record["message"] for record in records(result.stderr)]
    (said,) = [message for message in messages if "nope" in message]
    assert said.startswith("fluxsync: there is no module 'nope' in ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_master_that_preloads(log_format: str, tmp_path: Path) -> None:
    """It ends with the line."""
    env = {"FLUXSYNC_THREADS": "0", "FLUXSYNC_LOG_FORMAT": log_format}
    result = serve(tmp_path, "--preload", **env)

    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if "threads=" in line]
    words = json.loads(line)["message"] if log_format == "json" else line
    assert words.startswith("fluxsync: threads='0' from environment: expected an integer")
    assert "Traceback" not in result.stderr
