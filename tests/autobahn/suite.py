"""Install the suite, once for all runs, and run it."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.support.processes import Server

HERE = Path(__file__).parent
#: The last version that makes environments for Python 2.7.
VIRTUALENV = "virtualenv==20.21.1"


class Unavailable(Exception):
    """The suite can't be had on this machine."""


class Verdict(t.NamedTuple):
    """What the suite says to a case: to the conversation, and to its end."""

    behavior: str
    close: str


def install(requirements: str) -> Path:
    """Return the suite's Python, made when it's missing.

    It's kept in the user's cache directory.

    :param requirements: Name of a file beside this one.
    :raise Unavailable: There's no Python 2.7, or nothing to install from.
    """
    python = find_python()
    pinned = b"".join(path.read_bytes() for path in sorted(HERE.glob("requirements*.txt")))
    key = f"{python} {requirements} {VIRTUALENV} ".encode() + pinned
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fluxsync-tests")
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"autobahn-{hashlib.sha256(key).hexdigest()[:16]}"
    done = home / "done"
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)
            _make(home, python, HERE / requirements)
            done.touch()
    return home / "venv" / "bin" / "python"


def find_python() -> str:
    """Return the path of a Python 2.7.

    :raise Unavailable: There's none.
    """
    names = ("python2.7", "python2")
    # One of pyenv's shims may be on the PATH, and refuse to run.
    pyenv = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    found = [shutil.which(name) for name in names]
    found += sorted(glob.glob(f"{glob.escape(pyenv)}/versions/2.7*/bin/python2.7"))
    for path in filter(None, found):
        check = [path, "-c", "import sys; print(sys.version_info[:2] == (2, 7))"]
        answer = subprocess.run(check, capture_output=True, text=True, check=False)
        if answer.stdout.strip() == "True":
            return path
    raise Unavailable("no Python 2.7 was found, neither on the PATH nor in pyenv's versions")


def _make(home: Path, python: str, requirements: Path) -> None:
    tools, venv = str(home / "tools"), str(home / "venv")
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1")
    _run(sys.executable, *pip, "--target", tools, VIRTUALENV)
    _run(sys.executable, "-m", "virtualenv", "-p", python, venv, PYTHONPATH=tools)
    _run(f"{venv}/bin/python", *pip, "--no-deps", "--requirement", str(requirements))


def _run(*command: str, **env: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        command, env={**environ, **env}, capture_output=True, text=True, check=False
    )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise Unavailable(f"{' '.join(command)}: {lines[-1]}")


def fuzz(
    python: Path, servers: t.Mapping[str, str], cases: t.Sequence[str], timeout: float
) -> dict[str, dict[str, Verdict]]:
    """Run cases against servers, one after the other, and return the verdicts on each server.

    :param servers: URL of each.
    :param cases: Numbers, or patterns such as ``7.*``.
    :param timeout: Seconds for everything.
    """
    start = "from autobahntestsuite import wstest; wstest.run()"
    arguments = ("-W", "ignore", "-u", "-c", start, "-m", "fuzzingclient", "-s", "spec.json")
    client = Server(str(python), *arguments)
    spec = {
        "outdir": "reports",
        "servers": [{"agent": name, "url": url} for name, url in servers.items()],
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (client.directory / "spec.json").write_text(json.dumps(spec))
    with client:
        assert client.wait(timeout) == 0, client.output
        reports = json.loads((client.directory / "reports" / "index.json").read_text())
    return {
        name: {
            case: Verdict(report["behavior"], report["behaviorClose"])
            for case, report in cases.items()
        }
        for name, cases in reports.items()
    }
