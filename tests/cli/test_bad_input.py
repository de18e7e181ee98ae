"""Whatever people get wrong, they get one line that says so, and no traceback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from fluxsync.cli import COMMANDS
from fluxsync.telemetry.logfields import BASE_FIELDS
from tests.cli.conftest import Run
from tests.support.processes import environment
from tests.support.waiting import FACTOR

#: Commands that read the settings, with what they need to get that far.
READERS = [
    ("run",),
    ("dev",),
    ("demo",),
    ("workbench",),
    ("config",),
    ("status",),
    ("reload",),
    ("shutdown",),
    ("build",),
    ("build", "app:app"),
    ("pages", "manifest"),
    ("pages", "validate"),
]
#: Where a setting may be, and how it's written there.
SOURCES: dict[str, t.Callable[[str, str], object]] = {
    "environment": lambda name, value: os.environ.__setitem__(f"FLUXSYNC_{name.upper()}", value),
    ".env": lambda name, value: Path(".env").write_text(f"FLUXSYNC_{name.upper()}={value}\n"),
    "fluxsync.toml": lambda name, value: Path("fluxsync.toml").write_text(f'{name} = "{value}"\n'),
    "pyproject.toml [tool.fluxsync]": lambda name, value: Path("pyproject.toml").write_text(
        f'[tool.fluxsync]\n{name} = "{value}"\n'
    ),
}


def refused(result: t.Any, *words: str, code: int = 2) -> None:
    """It's one line, after the usage if it's about that."""
    assert result.exit_code == code, result.output + result.stderr
    assert isinstance(result.exception, SystemExit), result.exception
    lines = [
        line
        for line in result.stderr.splitlines()
        if line and not line.startswith(("Usage: ", "Try "))
    ]
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_every_command(command: tuple[str, ...], run: Run, project: Path) -> None:
    """Each of them says which setting is wrong, and where."""
    (project / "app.py").touch()
    (project / "fluxsync.toml").write_text("threads = 0\n")
    refused(run(*command), "threads=0 from fluxsync.toml: expected an integer from 1 to 4096")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("gateway_port", "80a", "gateway_port='80a' from {}: expected an integer from 0 to 65535"),
        (
            "gateway_hots",
            "secret",
            "gateway_hots='***' from {}: expected the name of a setting; did",
        ),
        ("session_secret", "hunter2", "session_secret='***' from {}: expected at least 16"),
        ("forwarded_allow_ips", "*", "forwarded_allow_ips='*' from {}: expected addresses"),
        ("pidfile", "none/x.pid", "pidfile='none/x.pid' from {}: expected a file that can be"),
        ("app", "app", "app='app' from {}: expected module:attribute"),
    ],
)
def test_every_source(
    source: str, name: str, value: str, words: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("app.py").touch()
    monkeypatch.setenv(f"FLUXSYNC_{name.upper()}", "")  # put back afterwards
    SOURCES[source](name, value)
    result = run("run")
    refused(result, words.format(source))
    assert "hunter2" not in result.output + result.stderr


@pytest.mark.parametrize("command", ["run", "dev", "demo", "workbench"])
def test_json(command: str, run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What those that serve say is a line of a log, which programs read."""
    monkeypatch.setenv("FLUXSYNC_LOG_FORMAT", "json")
    (project / "app.py").touch()
    (project / "fluxsync.toml").write_text("threads = 0\n")
    result = run(command)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    said = json.loads(line)
    assert list(said) == list(BASE_FIELDS)
    assert (said["level"], said["logger"]) == ("ERROR", "fluxsync")
    assert said["message"] == (
        "Error: threads=0 from fluxsync.toml: expected an integer from 1 to 4096"
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("", "Error: app='' from default: expected FLUXSYNC_APP=module:attribute"),
        ('app = "app"', "Error: app='app' from fluxsync.toml: expected module:attribute"),
        ('app = "app:app"\nstate_dir = "/dev/null"', "Error: state_dir='/dev/null' from fluxsync"),
        ('app = "app:app"\npidfile = "none/x.pid"', "Error: pidfile='none/x.pid' from fluxsync"),
        ("strict_startup = true\ntrust_proxy = true", "Error: strict_startup: trust_proxy is set"),
    ],
    ids=["nothing", "target", "directory", "file", "strict"],
)
def test_json_of_all_kinds(
    values: str, words: str, run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many lines people would get."""
    monkeypatch.setenv("FLUXSYNC_LOG_FORMAT", "json")
    monkeypatch.delenv("FLUXSYNC_STATE_DIR")
    (project / "fluxsync.toml").write_text(values)
    result = run("run")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert json.loads(line)["message"].startswith(words)


@pytest.mark.parametrize("value", ["jsno", "JSON"])
def test_format_that_is_none(value: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXSYNC_LOG_FORMAT", value)
    words = f"log_format='{value}' from environment: expected one of 'text' or 'json'"
    refused(run("run", "app:app"), words)


@pytest.mark.parametrize(
    "command", [c for c in READERS if c[0] not in ("run", "dev", "demo", "workbench")], ids=" ".join
)
def test_people_get_text(
    command: tuple[str, ...], run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the log of the server here is."""
    monkeypatch.setenv("FLUXSYNC_LOG_FORMAT", "json")
    (project / "fluxsync.toml").write_text("threads = 0\n")
    refused(run(*command), "threads=0 from fluxsync.toml: expected an integer from 1 to 4096")


def test_all_commands() -> None:
    """None is forgotten here that exists."""
    assert {command[0] for command in READERS} | {"new", "doctor", "completion"} == set(COMMANDS)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("rum",), "No such command 'rum'"),
        (("run", "--port", "x"), "'x' is not a valid integer"),
        (("run", "--port", "65536"), "65536"),
        (("run", "--wokers", "2"), "No such option"),
        (("run", "app"), "app='app' from command line: expected module:attribute"),
        (("run", "a:b", "c"), "unexpected extra argument"),
        (("run", "--no-proxy-headers", "--forwarded-allow-ips", "10.0.0.1"), "choose one"),
        (("run", "--forwarded-allow-ips", "*"), "expected addresses"),
        (("run", "--pidfile", "x", "--no-pidfile"), "choose one"),
        (("dev", "--reload-scope", "pages"), "'gateway', 'full'"),
        (("run", "--workbench"), "RS_SESSION_URL='' from environment: expected a session"),
        (("workbench",), "RS_SESSION_URL='' from environment: expected a session"),
        (("shutdown", "--wait", "-1"), "-1"),
        (("shutdown", "--pidfile", "gone.pid"), "'gone.pid' does not exist"),
        (("shutdown", "--pidfile", "."), "is a directory"),
        (("shutdown", "--pidfile", "app.py"), "app.py has no process id"),
        (("shutdown", "--pid", "1", "--all"), "choose one"),
        (("reload", "--timeout", "0"), "0"),
        (("doctor", "--upload", "3"), "--url is missing"),
        (("doctor", "--verbose", "--url", "http://h/"), "don't go with --url"),
        (("doctor", "--url", "ftp://ada:hunter2@host/"), "expected an address like"),
        (("config", "nope:app"), "there is no module 'nope'"),
        (("pages", "validate", "nope:app"), "there is no module 'nope'"),
        (("pages", "manifest", "text:app"), "text:app is a str, not a FluxSync application"),
        (("completion", "tcsh"), "'bash', 'zsh', 'fish'"),
        (("new", "x", "--profile", "y"), "'y' is not one of"),
        (("new",), "Missing argument 'NAME'"),
        (("build", "--force"), "--force is for a Dockerfile"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage(args: tuple[str, ...], words: str, run: Run, project: Path) -> None:
    (project / "app.py").write_text("app = 1")
    (project / "text.py").write_text("app = 'hunter2'")
    result = run(*args)
    refused(result, words)
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("fluxsync.toml", b"title = ", "expected a TOML file (Invalid value"),
        ("fluxsync.toml", b"title = '\xff'", "expected a TOML file ('utf-8' codec"),
        ("fluxsync.toml", None, "expected a TOML file ([Errno 21] Is a directory"),
        ("pyproject.toml", b"[tool]\nfluxsync = 1\n", "fluxsync=1 from pyproject.toml"),
        ("fluxsync.toml", b"[server]\nport = 1\n", "server='***' from fluxsync.toml"),
        (".env", b"FLUXSYNC_TITLE=\xff\n", "expected a readable file"),
    ],
)
def test_files(name: str, content: bytes | None, words: str, run: Run, project: Path) -> None:
    path = project / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    refused(run("config"), words)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("config", "app:app"), 1, "app:app: ValueError: no (app.py, line 2)"),
        (("pages", "manifest"), 1, "app:app can't be imported: ValueError: no (app.py, line 2)"),
        (("pages", "validate"), 1, "app:app can't be imported: ValueError: no (app.py, line 2)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_application_that_raises(
    args: tuple[str, ...], code: int, words: str, run: Run, project: Path
) -> None:
    (project / "app.py").write_text("\nraise ValueError('no')")
    refused(run(*args), words, code=code)


def test_nothing_to_serve(run: Run) -> None:
    refused(run("run"), "app='' from default: expected FLUXSYNC_APP=module:attribute")


@pytest.mark.parametrize("command", ["run", "dev", "demo"])
def test_port_in_use(command: str, run: Run, project: Path) -> None:
    (project / "app.py").touch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        refused(run(command, "--port", port), f"gateway_port={port} from command line")


def test_address_of_somebody_else(run: Run, project: Path) -> None:
    (project / "app.py").touch()
    refused(run("run", "--host", "192.0.2.1"), "gateway_host='192.0.2.1' from command line")


@pytest.mark.parametrize("source", SOURCES)
def test_state_directory_that_is_a_file(
    source: str, run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "state").touch()
    (project / "app.py").touch()
    monkeypatch.setenv("FLUXSYNC_STATE_DIR", "")
    SOURCES[source]("state_dir", "state")
    for command in ("run", "dev", "status", "shutdown", "reload"):
        refused(run(command), f"state_dir='{project}/state' from {source}: expected a directory")


def test_strict_start(run: Run, project: Path) -> None:
    """A line for each finding."""
    (project / "app.py").touch()
    (project / "fluxsync.toml").write_text(
        'strict_startup = true\nroot_path = "/app"\ngateway_upstream_read_timeout_s = 1\n'
    )
    for command in ("run", "dev"):
        result = run(command)
        assert result.exit_code == 2
        assert re.findall(r"\((\w+)\)$", result.stderr, re.MULTILINE) == [
            "root_path_without_trust",
            "low_read_timeout",
        ]
    assert run("config").exit_code == 0
    assert run("config", "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("command", "lines"), [("fluxsync.wsgi:app", 1), ("app:app", None)], ids=["wsgi", "app"]
)
def test_strict_start_elsewhere(command: str, lines: int | None, project: Path) -> None:
    """A server that knows nothing of fluxsync doesn't start either, and wait for a request."""
    (project / "app.py").write_text("from fluxsync import FluxSync\napp = FluxSync()")
    environ = environment({"FLUXSYNC_STRICT_STARTUP": "1", "FLUXSYNC_TRUST_PROXY": "1"})
    serve = [sys.executable, "-m", "waitress", "--listen=127.0.0.1:0", command]
    result = subprocess.run(
        serve, env=environ, cwd=project, capture_output=True, text=True, timeout=30 * FACTOR
    )
    assert result.returncode == (2 if lines else 1)
    assert "strict_startup: trust_proxy is set" in result.stderr
    assert lines is None or len(result.stderr.splitlines()) == lines


@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
@pytest.mark.parametrize(
    "command",
    [
        ("doctor", "--url=http://127.0.0.1:1/", "--timeout"),
        ("doctor", "--url=http://127.0.0.1:1/", "--patience"),
        ("doctor", "--url=http://127.0.0.1:1/", "--upload"),
        ("reload", "--timeout"),
        ("shutdown", "--wait"),
    ],
    ids=" ".join,
)
def test_no_amount(command: tuple[str, ...], value: str, run: Run) -> None:
    refused(run(*command, value), f"{value} is not a number up to")


def test_nothing_runs(run: Run) -> None:
    for command in ("shutdown", "reload"):
        result = run(command)
        assert (result.exit_code, result.stderr) == (1, "Nothing is running.\n")
