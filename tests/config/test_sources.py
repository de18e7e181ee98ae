from __future__ import annotations

from pathlib import Path

import pytest

from fluxsync.config import FluxSyncSettings
from fluxsync.config.sources import COMMAND_LINE_VARIABLE, add_override, override
from fluxsync.exceptions import ConfigError


@pytest.fixture(autouse=True)
def command_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on the command line, during the test and after it."""
    monkeypatch.setenv(COMMAND_LINE_VARIABLE, "{}")


def title() -> tuple[str, str]:
    settings = FluxSyncSettings()
    return settings.title, settings.source("title")


def test_precedence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source wins over those before it."""
    (project / "pyproject.toml").write_text('[tool.fluxsync]\ntitle = "pyproject"')
    assert title() == ("pyproject", "pyproject.toml [tool.fluxsync]")

    (project / "fluxsync.toml").write_text('title = "file"')
    assert title() == ("file", "fluxsync.toml")

    (project / ".env").write_text("FLUXSYNC_TITLE=dotenv\nOTHER=1\nEMPTY\n")
    assert title() == ("dotenv", ".env")

    monkeypatch.setenv("FLUXSYNC_TITLE", "variable")
    assert title() == ("variable", "environment")

    assert FluxSyncSettings(title="code").title == "code"

    override({"title": "option", "workers": None})
    settings = FluxSyncSettings(title="code")
    assert (settings.title, settings.source("title")) == ("option", "command line")
    assert settings.source("workers") == "default"


@pytest.mark.parametrize("name", FluxSyncSettings.model_fields)
def test_every_setting_can_be_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It's read from there, and is maybe wrong."""
    monkeypatch.setenv(f"FLUXSYNC_{name.upper()}", "?")

    try:
        source = FluxSyncSettings().source(name)
    except ConfigError as e:
        source = e.source

    assert source == "environment"


def test_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "5000")
    monkeypatch.setenv("WEB_CONCURRENCY", "3")

    settings = FluxSyncSettings()

    assert (settings.gateway_host, settings.gateway_port) == ("0.0.0.0", 5000)
    assert settings.workers == 3
    assert settings.source("gateway_host") == "PORT"


def test_file_wins_over_platform(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "5000")
    (project / "fluxsync.toml").write_text('gateway_host = "127.0.0.1"')

    settings = FluxSyncSettings()

    assert (settings.gateway_host, settings.gateway_port) == ("127.0.0.1", 5000)


def test_wrong_port_of_a_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "tcp://10.0.0.1:80")

    with pytest.raises(ConfigError, match="from PORT: expected an integer"):
        FluxSyncSettings()


def test_empty_variables_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLUXSYNC_WORKERS", "PORT", "WEB_CONCURRENCY"):
        monkeypatch.setenv(name, "")

    assert FluxSyncSettings().source("workers") == "default"


def test_variables_that_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXSYNC_DEMO_DATABASE", "x")
    monkeypatch.setenv("FLUXSYNC_TESTS_TIMEOUT_FACTOR", "2")

    FluxSyncSettings()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("worker", "the name of a setting; did you mean 'workers'?", id="misspelt"),
        pytest.param("jwt", "the name of a setting", id="unknown"),
    ],
)
def test_unknown_name(name: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its value may be a secret, and isn't shown."""
    monkeypatch.setenv(f"FLUXSYNC_{name.upper()}", "s3cret")

    with pytest.raises(ConfigError) as caught:
        FluxSyncSettings()

    assert str(caught.value) == f"{name}='***' from environment: expected {expected}"


@pytest.mark.parametrize("file", ["fluxsync.toml", "pyproject.toml"])
@pytest.mark.parametrize("content", [b"title = ", b"\xff"], ids=["no TOML", "no UTF-8"])
def test_malformed_file(project: Path, file: str, content: bytes) -> None:
    (project / file).write_bytes(content)

    with pytest.raises(ConfigError, match=f"{file}: expected a TOML file"):
        FluxSyncSettings()


@pytest.mark.parametrize("text", ["tool = 5", "[tool]\nfluxsync = 5"])
def test_pyproject_without_tables(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)

    with pytest.raises(ConfigError, match="expected a table"):
        FluxSyncSettings()


def test_other_peoples_pyproject(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.black]\nline-length = 100")

    assert title() == ("FluxSync", "default")


def test_dotenv_that_is_no_text(project: Path) -> None:
    (project / ".env").write_bytes(b"FLUXSYNC_TITLE=\xff")

    with pytest.raises(ConfigError, match=r"\.env: expected a readable file"):
        FluxSyncSettings()


def test_directory_called_dotenv(project: Path) -> None:
    (project / ".env").mkdir()

    assert title() == ("FluxSync", "default")


def test_add_override() -> None:
    override({"workers": 2})
    add_override("gateway_port", 81)

    settings = FluxSyncSettings()

    assert (settings.workers, settings.gateway_port) == (2, 81)
