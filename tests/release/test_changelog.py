"""Fragments become a section of the changelog, as ``docs/releasing.rst`` says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fluxsync
from tests.support.processes import ROOT

CHANGES = Path("docs", "changes")
TITLE = re.compile(r"^\S+ \((?:[\d-]+|unreleased)\)\n-+$", re.MULTILINE)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What towncrier needs of it, without the fragments that are waiting."""
    for name in ("CHANGELOG.rst", "docs/towncrier.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "fluxsync").mkdir()
    shutil.copy(ROOT / "fluxsync" / "__init__.py", tmp_path / "fluxsync")
    (tmp_path / CHANGES).mkdir()
    shutil.copy(ROOT / CHANGES / "template.rst", tmp_path / CHANGES)
    # It removes fragments with git where it can, and they aren't git's here.
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def release(repository: Path) -> str:
    """Return the new section, and see that all else is as before."""
    before = (repository / "CHANGELOG.rst").read_text()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "towncrier", "build", "--config", "docs/towncrier.toml"),
            *("--dir", ".", "--yes", "--date", "2030-01-02"),
        ],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    after = (repository / "CHANGELOG.rst").read_text()
    [intro, *_] = TITLE.split(before, maxsplit=1)
    assert after.startswith(intro.rstrip() + "\n\n")
    section = after.removeprefix(intro.rstrip()).removesuffix(before.removeprefix(intro))
    assert len(TITLE.findall(after)) == len(TITLE.findall(before)) + 1
    return section.strip()


def test_section(repository: Path) -> None:
    """It's like those that are there: a bullet point for each fragment, breaking ones first."""
    changes = repository / CHANGES
    (changes / "one.fixed.rst").write_text("A bug is gone.\n")
    (changes / "two.added.rst").write_text("There is ``x``,\nand more.\n")
    (changes / "three.added.rst").write_text("There is ``y``.")
    (changes / "four.breaking.rst").write_text("``z`` is gone: write ``x``.\n")

    section = release(repository)

    title = f"{fluxsync.__version__} (2030-01-02)"
    assert section.splitlines()[:2] == [title, "-" * len(title)]
    found = re.findall(r"^(\w.*)\n(~+)\n\n((?:[- ] .*\n?)+)", section, re.MULTILINE)
    assert [(name, len(line)) for name, line, _ in found] == [
        (name, len(name)) for name in ("Changed: write something else", "Added", "Fixed")
    ]
    assert [text.strip() for *_, text in found] == [
        "- ``z`` is gone: write ``x``.",
        "- There is ``y``.\n- There is ``x``,\n  and more.",
        "- A bug is gone.",
    ]
    assert [path.name for path in changes.iterdir()] == ["template.rst"]


def test_release_without_changes(repository: Path) -> None:
    assert "Nothing that users would notice." in release(repository)


def test_waiting_fragments() -> None:
    """They have a type, and no more of a text than a bullet point."""
    config = (ROOT / "docs" / "towncrier.toml").read_text()
    types = set(re.findall(r'^directory = "(\w+)"', config, re.MULTILINE))
    readme = (ROOT / CHANGES / "README.md").read_text()
    assert {name for name in types if f"`{name}`" not in readme} == set()

    for path in (ROOT / CHANGES).iterdir():
        if path.name in ("README.md", "template.rst"):
            continue
        _, kind, suffix = path.name.rsplit(".", 2)
        assert (kind in types, suffix) == (True, "rst"), path.name
        assert not path.read_text().startswith(("-", "*", " ")), path.name
