"""The command as a whole: help, version, colours, completion."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

import fluxsync
from fluxsync.cli import COMMANDS
from fluxsync.config import FluxSyncSettings
from tests.cli.conftest import Run
from tests.support.processes import PYTHON, environment
from tests.support.waiting import FACTOR

#: What an interactive bash does when somebody presses Tab.
COMPLETE = """
eval "$(fluxsync completion bash)"
COMP_WORDS=({words} '')
COMP_CWORD={count}
_fluxsync_completion fluxsync
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_help(run: Run) -> None:
    """Without a command, too."""
    bare, asked = run(), run("--help")
    assert bare.exit_code == asked.exit_code == 0
    assert bare.stdout == asked.stdout
    for name, text in COMMANDS.items():
        assert f"  {name} " in bare.stdout
        assert text in bare.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name: str, run: Run) -> None:
    """Each option is explained."""
    result = run(name, "-h")
    assert result.exit_code == 0
    options = result.stdout.partition("Options:\n")[2].partition("\n\n")[0].splitlines()
    for line, following in zip(options, [*options[1:], ""], strict=True):
        if line.lstrip().startswith("-"):
            has_text = "  " in line.strip() or following.startswith("      ")
            assert has_text, line


@pytest.mark.parametrize(
    ("args", "networks"),
    [
        ((), ("10.0.0.0/8",)),
        (("--no-proxy-headers",), ()),
        (("--proxy-headers", "--forwarded-allow-ips", "192.0.2.1"), ("192.0.2.1/32",)),
    ],
    ids=" ".join,
)
def test_trust(args: tuple[str, ...], networks: tuple[str, ...], run: Run, project: Path) -> None:
    """What the command line says about proxies counts, also that none is believed."""
    (project / "fluxsync.toml").write_text(
        'app = "app:app"\ntrust_proxy = true\nforwarded_allow_ips = ["10.0.0.0/8"]\npidfile = "x"\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run("run", *args, "--no-pidfile", "--debug", "--port", port).exit_code == 2
    settings = FluxSyncSettings()
    assert tuple(map(str, settings.trusted_networks)) == networks
    assert (settings.debug, settings.pidfile) == (True, "")


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"fluxsync, version {fluxsync.__version__}\n"


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)],
    ids=["terminal", "NO_COLOR", "empty NO_COLOR"],
)
def test_colours(env: dict[str, str], coloured: bool, project: Path) -> None:
    (project / "fluxsync.toml").write_text('root_path = "/app"\n')
    person, program = os.openpty()
    with open(person, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [*PYTHON, "-m", "fluxsync", "config"],
            stdin=subprocess.DEVNULL,
            stdout=program,
            stderr=program,
            env=environment({"TERM": "xterm", **env}),
            cwd=project,
        )
        os.close(program)
        text = b"".join(pieces(terminal))
        process.wait()
    assert b"root_path_without_trust" in text
    assert (b"\x1b[" in text) is coloured


def pieces(terminal: t.BinaryIO) -> t.Iterator[bytes]:
    while True:
        try:
            piece = terminal.read(65536)
        except OSError:  # Linux: the last program has closed it (EIO)
            return
        if not piece:
            return
        yield piece


def test_no_colours_in_files(run: Run, project: Path) -> None:
    (project / "fluxsync.toml").write_text('root_path = "/app"\n')
    assert "\x1b" not in run("config").stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fluxsync s", {"status", "shutdown"}),
        ("fluxsync completion ", {"bash", "zsh", "fish"}),
        ("fluxsync run --prox", {"--proxy-headers"}),
        ("fluxsync dev --reload-scope ", {"gateway", "full"}),
    ],
)
def test_completion(words: str, expected: set[str], tmp_path: Path) -> None:
    """In a real bash, with the command as it's installed."""
    program = tmp_path / "fluxsync"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m fluxsync "$@"\n')
    program.chmod(0o755)
    listed = words.split(" ")
    last = listed.pop()
    script = COMPLETE.format(words=" ".join(listed), count=len(listed)).replace("''", f"'{last}'")
    answer = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment({"PATH": f"{tmp_path}:{os.environ['PATH']}"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60 * FACTOR,
        check=True,
    )
    assert set(answer.stdout.split()) == expected
    assert answer.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, run: Run) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_FLUXSYNC_COMPLETE={shell}_complete" in result.stdout
