"""Commands in this process, and what they leave behind undone."""

from __future__ import annotations

import logging
import os
import sys
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fluxsync.cli import group

#: Calls a command with these arguments.
Run = t.Callable[..., Result]


@pytest.fixture(autouse=True)
def logging_as_before() -> t.Iterator[None]:
    """Commands set up logging for their process, which is the tests' here."""
    logger = logging.getLogger("fluxsync")
    before = logger.handlers[:], logger.level, logger.propagate, logging.lastResort
    yield
    logger.handlers[:], level, logger.propagate, logging.lastResort = before
    logger.setLevel(level)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Path]:
    """An empty directory to be in, without settings from elsewhere."""
    directory = tmp_path / "project"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setattr(sys, "path", sys.path[:])
    environment = os.environ.copy()
    for name in environment:
        if name.startswith(("FLUXSYNC_", "_FLUXSYNC_")) or name in ("PORT", "WEB_CONCURRENCY"):
            del os.environ[name]
    os.environ["FLUXSYNC_STATE_DIR"] = str(tmp_path / "state")
    sys.modules.pop("app", None)
    yield directory
    sys.modules.pop("app", None)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def run(project: Path) -> Run:
    """``run("config", "--json")``"""
    runner = CliRunner()

    def run(*args: str) -> Result:
        return runner.invoke(group, args, prog_name="fluxsync")

    return run
