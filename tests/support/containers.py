"""A gateway as hosting platforms run it: nobody in particular, who may write nowhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import psutil

from tests.support.gateways import Gateway
from tests.support.processes import PYTHON, ROOT, Server, free_port
from tests.support.waiting import eventually

NOBODY = 65534


def unprivileged() -> tuple[tuple[str, ...], int]:
    """Return what to put before a command so that it has no privileges, and its user.

    As root, it's another user; root without capabilities, if others can't read what is tested.
    """
    user = os.getuid()
    if user:
        return (), user
    other = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
    for test in (("-x", sys.executable), ("-r", str(ROOT / "fluxsync" / "wsgi.py"))):
        if subprocess.run([*other, "test", *test]).returncode:
            return ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"), user
    return other, NOBODY


def copy_context(context: Path, dockerignore: str, directory: Path) -> None:
    """Do what ``COPY . .`` does in a build from this directory.

    Patterns are Go's ``filepath.Match``, from the root, with ``**`` for any number of directories:
    https://docs.docker.com/build/concepts/context/#syntax
    """
    wild = {"**/": "(?:.*/)?", "*": "[^/]*"}
    patterns = [
        re.sub(r"\*\*/|\*|[^*]+", lambda m: wild.get(m[0]) or re.escape(m[0]), line)
        for line in dockerignore.splitlines()
        if line and not line.startswith("#")
    ]
    is_ignored = re.compile("|".join(patterns)).fullmatch

    def ignored(folder: str, names: list[str]) -> list[str]:
        below = Path(folder).relative_to(context)
        return [name for name in names if is_ignored(str(below / name))]

    shutil.copytree(context, directory, ignore=ignored)


class Contained(Gateway):
    """A WSGI server in a read-only working directory, with a temporary one and without a home.

    :param command: What Python runs, as of ``-m``.
    :param env: What the platform sets; ``PORT`` is added.
    :ivar temporary: The only directory that it may write.
    """

    def __init__(self, *command: str, env: t.Mapping[str, str]) -> None:
        prefix, self._user = unprivileged()
        super().__init__(env=env)
        self.args = (*prefix, *PYTHON, *command)
        self.port = free_port()
        self.temporary = self.directory / "tmp"
        self.env.update(
            PORT=str(self.port),
            TMPDIR=str(self.temporary),
            HOME="/nonexistent",
            # The tests' own counts as not set.
            FLUXSYNC_CACHE_DIR="",
        )
        self._before: list[Path] = []

    def start(self) -> None:
        self.temporary.mkdir(mode=0o700)
        os.chown(self.temporary, self._user, -1)
        self.directory.chmod(0o555)
        self._before = self._own_files()
        Server.start(self)
        eventually(self._listens, 20, lambda: f"somebody listens\n{self.output}")

    def _listens(self) -> bool:
        assert self.popen.poll() is None, f"ended instead of listening:\n{self.output}"
        try:
            with self.connection() as connection:
                return connection.request("GET", "/healthz").status == 200
        except OSError:
            return False

    def remove(self, name: str) -> None:
        """Remove a file, which the server couldn't."""
        self.directory.chmod(0o700)
        (self.directory / name).unlink()
        self.directory.chmod(0o555)
        self._before = self._own_files()

    def _own_files(self) -> list[Path]:
        found = (path for path in self.directory.rglob("*") if self.temporary not in path.parents)
        return sorted(path for path in found if "__pycache__" not in path.parts)

    def wait_gone(self) -> None:
        """Wait until no process is left; only compressed files are, and only in one place."""
        super().wait_gone()
        assert self._own_files() == self._before
        assert {path.name.rpartition("-")[0] for path in self.temporary.iterdir()} <= {
            "fluxsync-cache"
        }

    def close(self) -> None:
        self.directory.chmod(0o700)
        super().close()

    def supervisors(self) -> list[psutil.Process]:
        """Return the supervisors that run."""
        return self.find_programs("supervisord")

    def streamlits(self) -> list[psutil.Process]:
        """Return the Streamlit processes that run."""
        return self.find_programs("child.py")

    def workers(self) -> list[psutil.Process]:
        """Return gunicorn's workers."""
        return psutil.Process(self.pid).children()
