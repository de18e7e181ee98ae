from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import fluxsync
from fluxsync.exceptions import ScaffoldError
from fluxsync.scaffold.files import version_range, write_all

TAKEN = "take another one"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1.0", ">=0.1.0,<0.2"),
        ("0.12.3.dev4+g1234567", ">=0.12.3.dev4,<0.13"),
        ("1.0", ">=1.0,<2"),
        ("12.3.4rc1", ">=12.3.4rc1,<13"),
    ],
)
def test_version_range(version: str, expected: str) -> None:
    assert version_range(version) == expected


def test_this_version_is_in_its_range() -> None:
    assert SpecifierSet(version_range()).contains(fluxsync.__version__, prereleases=True)


def test_directories_are_made(tmp_path: Path) -> None:
    paths = write_all(tmp_path / "new", {"a/b/c": "ä", "a/b/d": ""}, taken=TAKEN)

    assert [path.read_text(encoding="utf-8") for path in paths] == ["ä", ""]


def test_directories_go_with_the_files(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="a/b is a directory: remove it first"):
        write_all(tmp_path / "new", {"a/b/c": "", "a/b": ""}, taken=TAKEN)

    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def there(tmp_path: Path) -> t.Iterator[Path]:
    """A directory with files that were there before, which are the same afterwards."""
    for name in ("one", "three"):
        (tmp_path / name).write_text(name)
    (tmp_path / "one").chmod(0o640)
    yield tmp_path
    assert {path.name for path in tmp_path.iterdir()} <= {"one", "three", "taken"}
    assert (tmp_path / "one").read_text() == "one"
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o640


def test_nothing_is_overwritten(there: Path) -> None:
    with pytest.raises(ScaffoldError, match=f"one exists already: {TAKEN}"):
        write_all(there, {"two": "new", "one": "new"}, taken=TAKEN)


def test_overwritten_files_come_back(there: Path) -> None:
    (there / "taken").mkdir()

    with pytest.raises(ScaffoldError, match="taken is a directory: remove it first"):
        write_all(there, {"one": "new", "two": "new", "taken": "new"}, overwrite=True, taken=TAKEN)


def test_overwritten(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old")
    (tmp_path / "one").chmod(0o640)

    write_all(tmp_path, {"one": "new", "two": "new"}, overwrite=True, taken=TAKEN)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "one": "new",
        "two": "new",
    }
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o640
