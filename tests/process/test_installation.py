from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from fluxsync.process.installation import identify


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with frontend files, none of which has just been changed."""
    directory = tmp_path / "streamlit"
    for name in ("static/index.html", "static/static/js/a.js", "static/static/css/a.css"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("x")
    for path in directory.rglob("*"):
        os.utime(path, (1, 1))
    return directory


def test_identity(package: Path, tmp_path: Path) -> None:
    """It's the same under each name of the directory."""
    (tmp_path / "link").symlink_to(package)
    identity = identify(str(package), "9.9")
    assert identity == f"9.9 3b9aca00-3b9aca00 {package}/static"
    assert identify(str(tmp_path / "link"), "9.9") == identity
    assert identify(str(package), "9.10") != identity


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        pytest.param(lambda p: (p / "static/static/js/b.js").touch(), True, id="added"),
        pytest.param(lambda p: (p / "static/static/js/a.js").unlink(), True, id="removed"),
        pytest.param(lambda p: (p / "static/static/js/a.js").rename(p / "b"), True, id="moved"),
        pytest.param(lambda p: (p / "static/static/media").mkdir(), True, id="directory"),
        pytest.param(lambda p: (p / "static/index.html").write_text("y"), False, id="index.html"),
        pytest.param(lambda p: (p / "static/index.html").rename(p / "i"), False, id="backup"),
    ],
)
def test_changes(change: t.Callable[[Path], object], differs: bool, package: Path) -> None:
    """Many patch index.html, which is served by Streamlit anyway."""
    before = identify(str(package), "9.9")
    change(package)
    assert (identify(str(package), "9.9") != before) is differs


def test_nothing_to_serve(package: Path, tmp_path: Path) -> None:
    assert identify(str(tmp_path / "gone"), "9.9") == ""
    for path in ("js/a.js", "css/a.css"):
        (package / "static/static" / path).unlink()
        (package / "static/static" / path).parent.rmdir()
    assert identify(str(package), "9.9") == ""


@pytest.mark.parametrize("name", ["a\nb", "a\udcffb"])
def test_path_that_is_no_text(name: str, package: Path) -> None:
    other = package.with_name(name)
    package.rename(other)
    assert identify(str(other), "9.9") == ""
