"""Modules whose files change."""

from __future__ import annotations

import importlib
import os
import sys
import typing as t
from pathlib import Path

import pytest

from fluxsync.process.changes import Modules


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Path]:
    """A package of one module, and its directory."""
    monkeypatch.syspath_prepend(tmp_path)
    directory = tmp_path / "changing"
    directory.mkdir()
    (directory / "__init__.py").touch()
    (directory / "one.py").touch()
    yield directory
    for name in [name for name in sys.modules if name.partition(".")[0] == "changing"]:
        del sys.modules[name]


@pytest.fixture
def modules(tmp_path: Path, package: Path) -> Modules:
    modules = Modules(lambda path: path.startswith(str(tmp_path)))
    importlib.import_module("changing.one")
    modules.note()
    return modules


def write(path: Path) -> None:
    """Have a file written later than it was."""
    path.touch()
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))


@pytest.mark.parametrize("name", ["one.py", "two.py"])
def test_change(name: str, package: Path, modules: Modules) -> None:
    write(package / name)

    modules.forget_changed()

    assert not {"changing", "changing.one"} & set(sys.modules)


def test_change_that_is_known(package: Path, modules: Modules) -> None:
    write(package / "one.py")
    modules.forget_changed()
    module = importlib.import_module("changing.one")
    modules.note()

    modules.forget_changed()

    assert sys.modules["changing.one"] is module


def test_file_that_is_gone(package: Path, modules: Modules) -> None:
    (package / "one.py").unlink()

    modules.forget_changed()

    assert "changing.one" not in sys.modules


@pytest.mark.parametrize("name", ["one.txt", "__pycache__"])
def test_other_files(name: str, package: Path, modules: Modules) -> None:
    (package / name).mkdir(exist_ok=True)

    modules.forget_changed()

    assert "changing.one" in sys.modules


def test_module_that_was_imported_anew_already(package: Path, modules: Modules) -> None:
    """Streamlit has done it."""
    write(package / "one.py")
    del sys.modules["changing.one"]
    module = importlib.import_module("changing.one")
    modules.note()

    modules.forget_changed()

    assert sys.modules["changing.one"] is module
