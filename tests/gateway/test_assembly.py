"""What the supervisor is told to run."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.bridges.host import Host
from fluxsync.config.platform import Platform
from fluxsync.exceptions import ConfigError
from fluxsync.gateway import assembly
from fluxsync.gateway.assembly import api_base, build_gateway, build_spec
from tests.support.inprocess import flask_api

HOST = Host("gunicorn worker", 1, "http://127.0.0.1:8123")
PLATFORM = Platform()


def test_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    spec = build_spec(FluxSyncSettings(title="Mine"), "app:app", HOST, PLATFORM)

    assert (spec.name, spec.target, spec.directory) == ("app:app", "app:app", os.getcwd())
    assert spec.arguments[0].endswith("fluxsync_main.py")
    assert "--server.address=127.0.0.1" in spec.arguments
    assert spec.environment["FLUXSYNC_APP"] == "app:app"
    assert spec.environment["FLUXSYNC_INTERNAL_API_BASE"] == "http://127.0.0.1:8123/api"
    assert "DATABASE_URL" not in spec.environment


def test_script() -> None:
    spec = build_spec(FluxSyncSettings(streamlit_script="dash.py"), "", HOST, PLATFORM)

    assert (spec.name, spec.target, spec.arguments[0]) == ("dash.py", "", "dash.py")
    assert "FLUXSYNC_APP" not in spec.environment


def test_upstreams() -> None:
    settings = FluxSyncSettings(streamlit_upstream="http://127.0.0.1:8501,http://[::1]:8502")
    spec = build_spec(settings, "", HOST, PLATFORM)

    assert spec.upstreams == ("127.0.0.1:8501", "[::1]:8502")
    assert not spec.arguments


@pytest.mark.parametrize(
    ("settings", "url", "expected"),
    [
        ({}, "http://127.0.0.1:9", "http://127.0.0.1:9/api"),
        ({"api_mount_path": "/v1"}, "http://127.0.0.1:9", "http://127.0.0.1:9/v1"),
        ({"gateway_port": 8123}, "", "http://localhost/api"),
        ({}, "https://127.0.0.1:9", "http://localhost/api"),
        ({"internal_api_base": "http://api.local/x"}, "http://127.0.0.1:9", "http://api.local/x"),
    ],
)
def test_api_base(settings: dict[str, object], url: str, expected: str) -> None:
    assert api_base(FluxSyncSettings(**settings), Host("standalone", 1, url)) == expected


@pytest.mark.parametrize(
    ("settings", "url", "variable"),
    [
        ({}, "http://127.0.0.1:9", "_FLUXSYNC_CALLS"),
        ({}, "", "_FLUXSYNC_CALLS"),
        ({}, "https://127.0.0.1:9", "_FLUXSYNC_CALLS"),
        ({"internal_api_base": "http://localhost/x"}, "", ""),
    ],
)
def test_calls(
    settings: dict[str, object], url: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers take calls on sockets of their own, unless a URL is set."""
    monkeypatch.setenv("_FLUXSYNC_CALLS", "/of/another/server")
    host = Host("standalone", 1, url)
    spec = build_spec(FluxSyncSettings(**settings), "app:app", host, PLATFORM)

    assert spec.calls_variable == variable
    assert "_FLUXSYNC_CALLS" not in spec.environment


def test_platform_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found is for the gateway and for the supervisor."""
    asked = []

    def find(environ: t.Mapping[str, str], port: int) -> Platform:
        asked.append(port)
        return Platform("Connect", is_connect=True)

    monkeypatch.setattr(assembly, "find_platform", find)
    host = Host("gunicorn master", os.getpid(), "http://127.0.0.1:8123")
    build_gateway(FluxSyncSettings(), flask_api(), "app:app", host)

    assert asked == [8123]


def test_state_directory_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It's said when the gateway is made, with where the setting comes from."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLUXSYNC_STATE_DIR", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"^state_dir='.*/file' from environment: expected"):
        build_gateway(FluxSyncSettings(), flask_api(), "app:app", HOST)
    long = str(tmp_path / "long") + "g" * 100
    with pytest.raises(ConfigError, match=r"^state_dir='.*/longg+' from code: expected a shorter"):
        build_gateway(FluxSyncSettings(state_dir=long), flask_api(), "app:app", HOST)
