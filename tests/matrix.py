"""Run a small but telling part of the tests with other versions of Python, gunicorn, Streamlit.

    python -m tests.matrix 'gunicorn==21.2.0' 'python3.10 streamlit==1.65.0 gunicorn~=23.0'

Each argument is a row: an interpreter, if it isn't to be this one, and what pip is to install
beside the checkout. The table is for ``docs/support-matrix.rst``.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
#: What a column is about, and the tests that say it, by path and the beginning of their names.
COLUMNS: dict[str, tuple[str, ...]] = {
    "WebSocket": (
        "live/test_websockets.py::test_echo",
        "live/test_websockets.py::test_early_bytes_of_both_sides",
        "live/test_websockets.py::test_handshake_reaches_streamlit",
        "live/test_websockets.py::test_client_that_vanishes",
    ),
    "slow clients": (
        "live/test_slow_clients.py::test_slow_uploads",
        "live/test_slow_clients.py::test_request_behind_a_slow_upload",
        "live/test_slow_clients.py::test_slow_downloads[gthread-/bytes]",
        "live/test_slow_clients.py::test_slow_downloads[gevent-/bytes]",
        "live/test_slow_clients.py::test_slow_downloads[sync-/api/file]",
    ),
    "silent clients": (
        "live/test_silent_clients.py::test_silent_clients",
        "live/test_silent_clients.py::test_half_heads",
        "live/test_silent_clients.py::test_late_heads",
    ),
    "reloads": (
        "live/test_workers.py::test_one_streamlit[fluxsync.wsgi-preload]",
        "live/test_workers.py::test_one_streamlit[app-preload-gevent]",
        "live/test_workers.py::test_one_streamlit[run]",
        "live/test_workers.py::test_many_websockets_survive",
    ),
    "TLS": ("live/test_tls.py::test_large_messages",),
    "calls": ("live/test_calls.py::test_page_calls",),
    "tunnel": ("live/test_tunnel.py::test_echo",),
    "files": ("assets/test_frontend.py", "assets/test_catalog.py"),
    "pages": ("pages",),
    "Chromium": ("browser/test_transports.py::test_everything[gthread]",),
    "Chromium, gevent and streams": (
        "browser/test_transports.py::test_everything[gevent]",
        "browser/test_transports.py::test_everything[sync]",
    ),
}
#: Seconds for one row's installation, and for its tests.
INSTALL, TESTS = 900, 900
#: Whose versions are shown.
SHOWN = ("gunicorn", "gevent", "streamlit", "tornado", "uvicorn")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How many tests of a column passed, failed, and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        if self.failed:
            return f"**{self.failed} of {self.passed + self.failed} failed**"
        return str(self.passed) if self.passed else "skipped" if self.skipped else "none"


@dataclasses.dataclass
class Row:
    """One combination of versions."""

    python: str
    requirements: tuple[str, ...]
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    outcomes: dict[str, Outcome] = dataclasses.field(default_factory=dict)
    #: Why there are no outcomes.
    trouble: str = ""

    @classmethod
    def parse(cls, words: str) -> Row:
        """Read an argument."""
        found = words.split()
        requirements = tuple(word for word in found if any(sign in word for sign in "=<>"))
        python = next((word for word in found if word not in requirements), sys.executable)
        return cls(python, requirements)

    @property
    def name(self) -> str:
        return " ".join((Path(self.python).name, *self.requirements))

    def has_passed(self) -> bool:
        return not self.trouble and not any(o.failed for o in self.outcomes.values())


def make(row: Row, home: Path) -> Path:
    """Return the Python of the row's virtual environment, which is made if it's missing.

    :raise subprocess.SubprocessError: It can't be made.
    """
    setup = (ROOT / "setup.cfg").read_bytes()
    key = hashlib.sha256(f"{row.python} {row.requirements} ".encode() + setup).hexdigest()[:16]
    environment = home / key
    python = environment / "bin" / "python"
    done = environment / "done"
    if not done.exists():
        shutil.rmtree(environment, ignore_errors=True)
        _run(row.python, "-m", "venv", str(environment))
        what = ("--editable", f"{ROOT}[tests,gevent]", *row.requirements)
        _run(str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--use-pep517", *what)
        done.touch()
    return python


def _run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALL)
    return ended.stdout


def installed(python: Path) -> dict[str, str]:
    """Return the versions of an environment."""
    program = (
        "import importlib.metadata as m, json, platform, sys\n"
        "found = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({'python': platform.python_version(), **{\n"
        "    name: found[name] for name in sys.argv[1:] if name in found}}))\n"
    )
    return t.cast("dict[str, str]", json.loads(_run(str(python), "-c", program, *SHOWN)))


def test(python: Path, columns: t.Collection[str], log: Path) -> dict[str, Outcome]:
    """Run the tests in an environment."""
    names = [name for column in columns for name in COLUMNS[column]]
    report = log.with_suffix(".xml")
    command = [
        *(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"),
        *("-o", "junit_family=xunit1", *(f"tests/{name}" for name in names)),
    ]
    # Programs beside Python are found, as in an environment that is activated.
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    with open(log, "w") as output:
        subprocess.run(
            command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
            timeout=TESTS,
        )
    cases = list(ElementTree.parse(report).iter("testcase"))
    return {column: _outcome(cases, COLUMNS[column]) for column in columns}


def _outcome(cases: t.Iterable[ElementTree.Element], names: tuple[str, ...]) -> Outcome:
    results = []
    for case in cases:
        path = case.get("file", "").removeprefix("tests/")
        if f"{path}::{case.get('name')}".startswith(names):
            tags = {child.tag for child in case}
            results.append("failed" if tags & {"failure", "error"} else "".join(tags & {"skipped"}))
    failed, skipped = results.count("failed"), results.count("skipped")
    return Outcome(len(results) - failed - skipped, failed, skipped)


def table(rows: t.Iterable[Row], columns: t.Collection[str]) -> str:
    """Return the table as reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    versions = ("python", "gunicorn", "gevent", "streamlit", "server")
    _add(lines, ["Python", *(name.capitalize() for name in versions[1:]), *columns])
    for row in rows:
        found = row.versions
        # Streamlit needs Tornado too where it is served by Starlette.
        server = "Starlette" if "uvicorn" in found else "Tornado"
        cells = [{**found, "server": server}.get(name, "-") for name in versions]
        if row.trouble:
            cells = [row.name, *["-"] * 4]
        outcomes = [str(row.outcomes.get(column, row.trouble)) for column in columns]
        _add(lines, [*cells, *outcomes])
    return "\n".join(lines) + "\n"


def _add(lines: list[str], cells: t.Iterable[str]) -> None:
    lines.extend(f"   {'* -' if not number else '  -'} {cell}" for number, cell in enumerate(cells))


def main() -> int:
    """Make the environments, run the tests, print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.matrix",
        description="Run a part of the tests with other versions.",
        epilog=f"columns: {', '.join(COLUMNS)}",
    )
    parser.add_argument("rows", nargs="+", metavar="ROW", type=Row.parse)
    parser.add_argument("--column", action="append", choices=COLUMNS, help="only these columns")
    parser.add_argument("--directory", type=Path, help="where environments and logs are kept")
    arguments = parser.parse_args()
    columns = arguments.column or list(COLUMNS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fluxsync-tests")
    home: Path = arguments.directory or cache / "matrix"
    logs = Path(tempfile.mkdtemp(prefix="fluxsync-matrix-"))
    home.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(arguments.rows, start=1):
        log = logs / f"{number}.log"
        try:
            python = make(row, home)
            row.versions = installed(python)
            row.outcomes = test(python, columns, log)
        except subprocess.CalledProcessError as e:
            row.trouble = (str(e.stderr).strip() or "can't be installed").splitlines()[-1]
        except (OSError, subprocess.SubprocessError, ElementTree.ParseError) as e:
            row.trouble = str(e)
        verdict = ", ".join(f"{name}: {outcome}" for name, outcome in row.outcomes.items())
        print(f"{row.name}: {row.trouble or verdict} ({log})", flush=True)  # noqa: T201
    print("\n" + table(arguments.rows, columns))  # noqa: T201
    return 0 if all(row.has_passed() for row in arguments.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
