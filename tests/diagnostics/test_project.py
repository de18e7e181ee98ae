from __future__ import annotations

import os
import socket
import tempfile
import typing as t
from pathlib import Path

import pytest

from fluxsync.config import FluxSyncSettings
from fluxsync.diagnostics import project
from fluxsync.diagnostics.findings import Finding, Level
from fluxsync.diagnostics.trial import Trial
from fluxsync.process.state import StateDirectory

KEY = "0123456789abcdef"


@pytest.fixture
def state() -> t.Iterator[Path]:
    """A state directory, whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="fluxsync-") as path:
        yield Path(path)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("FLUXSYNC_", "_FLUXSYNC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXSYNC_STATE_DIR", str(state))
    monkeypatch.setenv("FLUXSYNC_CACHE_DIR", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def bad(found: t.Iterable[Finding]) -> dict[str, str]:
    return {finding.check: finding.text for finding in found if finding.level is not Level.OK}


def test_shadowing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = directory.parent / "other"
    other.mkdir()
    monkeypatch.syspath_prepend(other)
    (directory / "app.py").touch()
    assert bad(project.check_shadowing("app:app", directory)) == {}
    (other / "app.py").touch()
    (found,) = bad(project.check_shadowing("app:app", directory)).values()
    assert found.endswith(f"the first counts: {directory}/app.py, {other}/app.py.")
    # A file has no such name.
    assert bad(project.check_shadowing("./app.py:app", directory)) == {}


def test_shadowing_of_packages(directory: Path) -> None:
    """Files of the working directory come before everything that is installed."""
    (directory / "flask.py").touch()
    (directory / "logging").mkdir()
    (directory / "logging" / "__init__.py").touch()
    levels = [(f.level, f.text) for f in project.check_shadowing("", directory)]
    assert levels == [
        (Level.PROBLEM, "flask.py here hides the package flask, which fluxsync needs."),
        (Level.WARNING, "logging/ here hides Python's own module logging."),
    ]


def test_directories(state: Path) -> None:
    assert bad(project.check_directories(FluxSyncSettings())) == {}
    state.chmod(0o777)
    found = bad(project.check_directories(FluxSyncSettings()))
    assert "' from environment: expected a directory of your own" in found["state"]


def test_cache_that_others_may_write(directory: Path) -> None:
    cache = directory.parent / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    *_, finding = project.check_directories(FluxSyncSettings())
    assert finding.level is Level.OK
    assert "the first choice can't be written" in finding.text
    assert str(cache) not in finding.text


def test_killed_and_hanging_supervisors(state: Path) -> None:
    killed = StateDirectory(state, KEY)
    killed.path.mkdir()
    assert "were killed" in bad(project.check_directories(FluxSyncSettings()))["leftovers"]
    assert killed.path.is_dir()
    lock = killed.try_lock()
    assert lock is not None
    found = bad(project.check_directories(FluxSyncSettings()))
    os.close(lock)
    assert "don't answer" in found["leftovers"]


def test_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = FluxSyncSettings(gateway_port=port)
        taken = project.check_port(settings, [])
        assert taken.level is Level.PROBLEM
        assert f"gateway_port={port} from code: expected a free port" in taken.text
        # 80 is no part of 18080.
        other = {"name": "x", "anchor": 7, "url": f"http://127.0.0.1:1{port}"}
        assert project.check_port(settings, [other]).level is Level.PROBLEM
        own = {"name": "app:app", "anchor": 7, "url": f"http://127.0.0.1:{port}"}
        assert project.check_port(settings, [other, own]).level is Level.OK
    assert project.check_port(settings, []).level is Level.OK


def test_host_that_cannot_be() -> None:
    finding = project.check_port(FluxSyncSettings(gateway_host="a..b", gateway_port=1), [])
    assert finding.text.startswith("gateway_host='a..b' from code: expected an address")


def test_trial() -> None:
    fault = Trial(fault="ValueError: x", output=("one", "two"))
    (finding,) = project.judge_trial("app:app", fault, pages=True)
    assert (finding.level, finding.text) == (Level.PROBLEM, "app:app: ValueError: x.")
    assert finding.remedy == ("| one", "| two")
    pages = Trial(file="app.py", page_faults=("/a: twice",))
    assert bad(project.judge_trial("app:app", pages, pages=False)) == {}
    assert bad(project.judge_trial("app:app", pages, pages=True)) == {"pages": "/a: twice."}


def test_advice() -> None:
    error = {"level": "error", "message": "x", "code": "y"}
    (finding,) = project.judge_advice([error])
    assert (finding.level, finding.text) == (Level.PROBLEM, "x (y)")
    (finding,) = project.judge_advice([])
    assert finding.level is Level.OK
