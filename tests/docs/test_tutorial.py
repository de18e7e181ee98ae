"""docs/tutorial.rst, typed as it's there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.support import http
from tests.support.processes import ROOT, Server, environment, free_port
from tests.support.waiting import eventually

TEXT = (ROOT / "docs" / "tutorial.rst").read_text(encoding="utf-8")

#: There's an environment already, and it's the one that is tested.
SKIPPED = ("python3 -m venv .venv", ". .venv/bin/activate")
#: What ends with Ctrl-C only.
SERVERS = re.compile(r"fluxsync dev|gunicorn ")


class Reader:
    """Somebody who does what it says, in an empty directory."""

    def __init__(self, directory: Path, state: str) -> None:
        self.directory = directory
        self.port = free_port()
        bin_ = str(Path(sys.executable).parent)
        self._env = {
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
            "FLUXSYNC_GATEWAY_PORT": str(self.port),
            "FLUXSYNC_STATE_DIR": state,
            # What is to be installed is there, in the versions that are asked for.
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        self.server: Server | None = None
        self.commands: list[str] = []

    def read(self, block: blocks.Block) -> None:
        """Do what a block says."""
        if block.language == "python":
            name, _, more = block.caption.partition(" ")
            with (self.directory / name).open("a" if more else "w", encoding="utf-8") as file:
                file.write(f"\n\n{block.text}" if more else block.text)
            return
        assert block.language == "console"
        for command, printed in block.commands():
            self.commands.append(command)
            if command in SKIPPED:
                continue
            expected = [line.replace("8000", str(self.port)) for line in printed]
            if command.startswith("cd "):
                self.directory /= command[3:]
            elif SERVERS.match(command):
                self._start(command, expected)
            else:
                self._run(command, expected)

    def _run(self, command: str, expected: list[str]) -> None:
        result = subprocess.run(
            command,
            shell=True,
            cwd=self.directory,
            env=environment(self._env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        assert result.returncode == 0, f"{command}:\n{result.stdout}"
        rest = result.stdout
        for line in expected:
            assert line in rest, f"{command} doesn't print {line!r}:\n{result.stdout}"
            rest = rest.partition(line)[2]

    def _start(self, command: str, expected: list[str]) -> None:
        self.end()
        shell = f"cd '{self.directory}' && exec {command}"
        self.server = Server("/bin/sh", "-c", shell, env=self._env)
        self.server.start()
        for line in expected:
            self.server.wait_for_line(re.escape(line), timeout=60)

    def end(self) -> None:
        """Press Ctrl-C."""
        if self.server is not None:
            server, self.server = self.server, None
            try:
                server.interrupt()
                server.wait()
                server.wait_gone()
            finally:
                server.close()

    def get(self, path: str) -> http.Response:
        """Open an address in the browser."""
        with http.Connection(self.port) as connection:
            return connection.request("GET", path, [("Accept", "text/html")])

    def finds(self, path: str) -> bool:
        """Whether there's something at an address; a reload may end a connection."""
        try:
            return self.get(path).status == 200
        except ConnectionError:
            return False


@pytest.fixture
def reader(tmp_path: Path) -> t.Iterator[Reader]:
    # Short, as the path of a Unix socket has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="fluxsync-") as state:
        reader = Reader(tmp_path, state)
        try:
            yield reader
        finally:
            if reader.server is not None:
                reader.server.close()


@pytest.mark.live_server
@pytest.mark.streamlit
@pytest.mark.timeout(300)  # it starts a dozen programs, one after the other
def test_tutorial(reader: Reader) -> None:
    """All files are written, all commands work, and the addresses have what they're said to."""
    dev, api, pages, *rest = _steps()
    for block in dev:
        reader.read(block)
    assert reader.get("/").status == reader.get("/api/docs").status == 200

    for block in api:
        reader.read(block)
    eventually(lambda: reader.finds("/api/teas"))
    assert json.loads(reader.get("/api/teas").body) == {"Assam": 12, "Darjeeling": 7, "Sencha": 3}

    # The pages are what the tests of the fourth chapter are about.
    for block in sum(rest, pages):
        reader.read(block)
    assert reader.commands[-1].startswith("fluxsync build")
    assert reader.get("/readyz").status == 200
    reader.end()


def _steps() -> list[list[blocks.Block]]:
    """Return the blocks of each chapter that has some."""
    chapters = re.split(r"(?m)^\d\. .+\n-+\n", TEXT)[1:]
    return [found for chapter in chapters if (found := blocks.read(chapter))]
