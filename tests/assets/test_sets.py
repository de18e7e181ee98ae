from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path

import pytest

from fluxsync.assets import build, encoders, sets
from fluxsync.assets.encoders import Encoder
from fluxsync.assets.frontend import Frontend

QUICK, BEST = (encoders.encoders(best=best)[0] for best in (False, True))


def make(files: Frontend, base: Path, encoder: Encoder = QUICK) -> Path:
    """Return the directory of a set that was made now."""
    (built,) = build.build(files, [base], [encoder])
    assert built.is_new
    return built.directory


def test_best_level(files: Frontend, tmp_path: Path) -> None:
    base = tmp_path / "cache"
    assert sets.find(base, files, "gzip") is None
    quick = make(files, base)
    assert sets.find(base, files, "gzip") == (6, quick, sets.read(quick))
    best = make(files, base, BEST)
    assert sets.find(base, files, "gzip") == (9, best, sets.read(best))
    assert sets.find(base, files, "br") is None


def no_manifest(directory: Path) -> None:
    (directory / sets.MANIFEST).unlink()


def no_json(directory: Path) -> None:
    (directory / sets.MANIFEST).write_text("{")


def wrong_json(directory: Path) -> None:
    (directory / sets.MANIFEST).write_text("[1]")


def foreign_name(directory: Path) -> None:
    (directory / "../../secret").write_text("x")
    change(directory, ["../../secret", 1, '"abc"'])


def rubbish(directory: Path) -> None:
    change(directory, None)


def split_header(directory: Path) -> None:
    change(directory, ["0.gzip", (directory / "0.gzip").stat().st_size, '"a\r\nb"'])


def cut(directory: Path) -> None:
    path = directory / "0.gzip"
    path.write_bytes(path.read_bytes()[:-1])


def lost(directory: Path) -> None:
    (directory / "0.gzip").unlink()


def writable(directory: Path) -> None:
    directory.chmod(0o777)


def change(directory: Path, entry: object) -> None:
    manifest = json.loads((directory / sets.MANIFEST).read_text())
    manifest["files"][next(iter(manifest["files"]))] = entry
    (directory / sets.MANIFEST).write_text(json.dumps(manifest))


DAMAGES = [
    *(no_manifest, no_json, wrong_json, foreign_name, rubbish, split_header),
    *(cut, lost, writable),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage(damage: t.Callable[[Path], None], files: Frontend, tmp_path: Path) -> None:
    """Such a set isn't there; the next best one is, and it's made again when it's wanted."""
    base = tmp_path / "cache"
    quick, best = make(files, base), make(files, base, BEST)
    damage(best)
    found = sets.find(base, files, "gzip")
    assert found is not None
    assert found.directory == quick
    assert make(files, base, BEST) == best
    found = sets.find(base, files, "gzip")
    assert found is not None
    assert found.directory == best


def test_directory_that_others_may_write(files: Frontend, tmp_path: Path) -> None:
    make(files, tmp_path / "cache")
    (tmp_path / "cache").chmod(0o777)
    assert sets.find(tmp_path / "cache", files, "gzip") is None


def test_shelf(files: Frontend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It notices what comes and goes, and looks once in a while only."""
    first, second = tmp_path / "first", tmp_path / "second"
    shelf = sets.Shelf([first, second], files)
    assert shelf.has_changed()
    assert shelf.sets(["br", "gzip"]) == {}
    make(files, second)
    assert not shelf.has_changed()
    monkeypatch.setattr(sets, "_PATIENCE", 0.0)
    shelf = sets.Shelf([first, second], files)
    before = shelf.sets(["br", "gzip"])
    assert list(before) == ["gzip"]
    assert not shelf.has_changed()
    make(files, first)
    assert shelf.has_changed()
    after = shelf.sets(["br", "gzip"])
    assert {Path(one.path).parents[2] for one in after["gzip"].values()} == {first}
    shutil.rmtree(first)
    assert shelf.has_changed()
    assert shelf.sets(["br", "gzip"]) == before
