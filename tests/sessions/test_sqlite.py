"""What only this one does; the rest is in test_contract.py."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fluxsync.exceptions import SessionError
from fluxsync.sessions.sqlite import SQLiteSessionStore
from tests.support.processes import environment
from tests.support.waiting import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


def test_files_are_for_their_owner(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SQLiteSessionStore(path)
        store.set("a", {})
        modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
        store.close()
    finally:
        os.umask(before)

    assert path.name in modes
    assert set(modes.values()) == {0o600}


def test_number_of_sessions_is_limited(path: Path) -> None:
    now = 0.0
    store = SQLiteSessionStore(path, max_entries=10, clock=lambda: now)
    for n in range(100):
        now += 1
        store.set(str(n), {})
    kept = [n for n in range(100) if store.get(str(n)) is not None]
    store.close()

    assert kept == list(range(100 - len(kept), 100))
    assert 10 <= len(kept) < 10 + 16


def test_session_that_cannot_be_read_is_gone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SQLiteSessionStore(path)
    store.set("a", {})
    with sqlite3.connect(path) as other:
        other.execute("UPDATE session SET data = '{'")
    other.close()

    assert store.get("a") is None
    assert "counts as gone" in caplog.text
    store.set("a", {"b": 1})
    assert store.get("a") == {"b": 1}
    store.close()


def test_broken_file(path: Path) -> None:
    path.write_bytes(b"This is no database." * 100)
    store = SQLiteSessionStore(path)
    for _ in range(2):
        with pytest.raises(SessionError, match=r"sessions.sqlite3: file is not a database; ") as e:
            store.set("a", {})
        assert "\n" not in str(e.value)

    path.unlink()
    store.set("a", {})
    assert store.get("a") == {}
    store.close()


def test_file_that_was_removed(path: Path) -> None:
    """Those who had it open don't go on with a file that nobody else sees."""
    first, second = SQLiteSessionStore(path), SQLiteSessionStore(path)
    first.set("a", {})
    for file in path.parent.iterdir():
        file.unlink()
    second.set("b", {})

    assert first.get("a") is None
    assert first.get("b") == {}
    first.close()
    second.close()


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None])
def test_place_that_is_none(tmp_path: Path, make: object) -> None:
    path = tmp_path / "directory"
    make(path)  # type: ignore[operator]
    store = SQLiteSessionStore(path if path.is_dir() else path / "file")
    with pytest.raises(SessionError, match="expected a file that this user can write"):
        store.get("a")


def test_full_disk(path: Path) -> None:
    """What was written is still there, and there's a line that says what is wrong."""
    store = SQLiteSessionStore(path)
    store.set("old", {"a": 1})
    store.close()
    code = (
        "import resource, signal, sys\n"
        "from fluxsync.sessions.sqlite import SQLiteSessionStore\n"
        "from fluxsync.exceptions import SessionError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "store = SQLiteSessionStore(sys.argv[1])\n"
        "try:\n"
        "    store.set('new', {'a': 'x' * 200_000})\n"
        "except SessionError as e:\n"
        "    print(e)\n"
        "print(store.get('old'), store.get('new'))\n"
        "store.set('old', {'a': 2})\n"
        "store.close()\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        text=True,
        capture_output=True,
        env=environment(),
    )

    line, kept = child.stdout.splitlines()
    assert line.startswith(f"session store {path}: ")
    assert kept == "{'a': 1} None"
    assert store.get("old") == {"a": 2}
    store.close()


def test_waits_for_who_makes_the_file(path: Path) -> None:
    """A file that another process is just making isn't in WAL mode yet.

    SQLite refuses at once to change the mode while somebody is about to write.
    """
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE unfinished (id)")
    other.execute("BEGIN IMMEDIATE")
    store = SQLiteSessionStore(path)
    writer = threading.Thread(target=store.set, args=("a", {"b": 1}))
    writer.start()
    eventually(lambda: store._connection)
    other.execute("COMMIT")
    other.close()
    writer.join(10)

    assert store.get("a") == {"b": 1}
    store.close()


def test_files_age_together(path: Path) -> None:
    """Who tidies temporary files takes all of them, or none."""
    store = SQLiteSessionStore(path)
    store.set("a", {})
    files = sorted(path.parent.iterdir())
    for file in files:
        os.utime(file, (1, 1))
    store.set("a", {})
    times = [file.stat().st_mtime for file in files]
    store.close()

    assert len(files) == 3
    assert min(times) > 1


def test_waits_for_a_writer(path: Path) -> None:
    store = SQLiteSessionStore(path)
    store.set("a", {})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = threading.Thread(target=store.set, args=("a", {"b": 1}))
    writer.start()
    other.execute("COMMIT")
    other.close()
    writer.join(10)

    assert store.get("a") == {"b": 1}
    store.close()


def test_forgotten_store_closes_its_file(path: Path) -> None:
    """Which the leak detector would see."""
    SQLiteSessionStore(path).set("a", {})


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("is_link", [False, True])
def test_file_that_somebody_else_has_put_there(tmp_path: Path, is_link: bool) -> None:
    path, target = tmp_path / "a.sqlite3", tmp_path / "b.sqlite3"
    if is_link:
        path.symlink_to(target)
        target.touch()
    else:
        path.touch()
    os.chown(path, 65534, 65534, follow_symlinks=False)
    store = SQLiteSessionStore(path)
    store.get("a")  # in a directory of our own, it's for us to say
    store.close()

    tmp_path.chmod(0o1777)

    with pytest.raises(SessionError, match=r"Permission denied|somebody else made it"):
        store.get("a")
