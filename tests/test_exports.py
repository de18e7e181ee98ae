from __future__ import annotations

import subprocess
import sys

import pytest

import fluxsync

HEAVY = ("click", "dotenv", "flask", "gunicorn", "pydantic", "requests", "streamlit", "werkzeug")


def test_public_names() -> None:
    assert fluxsync.__all__ == [
        "ApiClient",
        "ConfigError",
        "FluxSync",
        "FluxSyncError",
        "FluxSyncSettings",
        "PageError",
        "TargetError",
        "__version__",
    ]


@pytest.mark.parametrize("name", fluxsync.__all__)
def test_name_is_there(name: str) -> None:
    value = getattr(fluxsync, name)

    assert name in dir(fluxsync)
    assert name == "__version__" or value.__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'fluxsync' has no attribute 'Application'"):
        fluxsync.Application  # noqa: B018


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    "module",
    [
        "fluxsync",
        "fluxsync.exceptions",
        "fluxsync.bridges.relay",
        "fluxsync.process.supervisor",
        "fluxsync.telemetry.logs",
    ],
)
def test_import_is_light(module: str) -> None:
    """The supervisor is small since it needs the standard library only."""
    loaded = run(f"import sys, {module}; print(*{{m.partition('.')[0] for m in sys.modules}})")

    assert not set(HEAVY) & set(loaded.split())


def test_import_starts_nothing() -> None:
    told = run(
        "import os, threading\n"
        "import fluxsync.app, fluxsync.cli, fluxsync.pages.command\n"
        "try:\n"
        "    children = os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError:\n"
        "    children = 'none'\n"
        "print(threading.active_count(), children)"
    )

    assert told == "1 none\n"
