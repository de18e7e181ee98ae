from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fluxsync.demo.database import DATABASE_ENV, connection, database_path, private_directory
from fluxsync.demo.store import Store


def count(path: Path) -> int:
    with connection(path) as opened:
        (number,) = opened.execute("SELECT count(*) FROM count").fetchone()
    return int(number)


def test_path_from_environment(tmp_path: Path) -> None:
    assert database_path({DATABASE_ENV: str(tmp_path / "x")}) == tmp_path / "x"


def test_default_path_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    directory = database_path({}).parent

    assert directory == tmp_path / f"fluxsync-demo-{os.getuid()}"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert database_path({}).parent == directory


def test_link_in_place_of_private_directory(tmp_path: Path) -> None:
    (tmp_path / f"fluxsync-demo-{os.getuid()}").symlink_to(tmp_path)

    with pytest.raises(PermissionError, match="set FLUXSYNC_DEMO_DATABASE"):
        private_directory(tmp_path)


def test_private_directory_that_others_can_read(tmp_path: Path) -> None:
    (tmp_path / f"fluxsync-demo-{os.getuid()}").mkdir(mode=0o755)

    with pytest.raises(PermissionError, match="isn't a directory of yours alone"):
        private_directory(tmp_path)


def test_first_use_makes_a_private_file(database: Path) -> None:
    old_mask = os.umask(0)
    try:
        with connection(database) as opened:
            files = list(database.parent.iterdir())
            assert opened.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            assert len(files) == 3  # -wal and -shm beside it
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(old_mask)


def test_empty_file_is_filled(database: Path) -> None:
    database.touch()

    assert count(database) > 0


def test_data_survives(database: Path) -> None:
    with connection(database) as opened:
        opened.execute("DELETE FROM count WHERE hour > 0")

    assert count(database) == 4 * 365


def test_failed_block_is_undone(database: Path) -> None:
    def delete_and_fail() -> None:
        with connection(database) as opened:
            opened.execute("DELETE FROM count")
            raise RuntimeError("after the deletion")

    before = count(database)

    with pytest.raises(RuntimeError, match="after the deletion"):
        delete_and_fail()

    assert count(database) == before


def test_killed_while_filling(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process starts from nothing, not from half of the data."""
    with monkeypatch.context() as patch:
        patch.setattr("fluxsync.demo.dataset.SIGHTINGS", [("too", "few", "values")])
        with pytest.raises(sqlite3.Error):
            count(database)

    assert count(database) == 4 * 365 * 24


def test_processes_that_start_together(database: Path) -> None:
    """One of them fills the database, and the others wait for it."""
    script = "from fluxsync.demo.store import Store; print(Store.from_environment().summary())"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(6)
    ]

    outputs = [child.communicate()[0] for child in children]

    assert outputs == [f"{Store(database).summary()}\n"] * 6


def test_somebody_elses_database_is_left_alone(database: Path) -> None:
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE station (x)")
    other.close()

    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        count(database)
