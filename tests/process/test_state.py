from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fluxsync.exceptions import ConfigError, SupervisorError
from fluxsync.process.state import StateDirectory, all_states, base_directory, remove_stale


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return base_directory(str(tmp_path / "s"), "environment")


def test_lock(base: Path) -> None:
    """One has it; it's free when the last copy of its descriptor is closed."""
    state = StateDirectory(base, "a")
    lock = state.try_lock()
    assert lock is not None
    assert state.try_lock() is None
    copy = os.dup(lock)
    os.close(lock)
    assert state.try_lock() is None
    os.close(copy)
    again = state.try_lock()
    assert again is not None
    os.close(again)


def test_lock_of_a_killed_process(base: Path) -> None:
    """Nothing has to be tidied up for the next one."""
    state = StateDirectory(base, "a")
    lock = state.try_lock()
    assert lock is not None
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=(lock,)
    ) as holder:
        os.close(lock)
        assert state.try_lock() is None
        holder.kill()
    again = state.try_lock()
    assert again is not None
    os.close(again)


def test_lock_of_a_removed_file(base: Path) -> None:
    """A lock on a file that the former holder has just removed is worth nothing."""
    state = StateDirectory(base, "a")
    old = state.try_lock()
    assert old is not None
    waiting = os.open(state.path / "lock", os.O_RDWR)
    state.remove()
    os.close(old)
    new = state.try_lock()
    assert new is not None
    fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody prevents it
    assert not os.path.samestat(os.fstat(waiting), os.fstat(new))
    assert state.try_lock() is None
    os.close(waiting)
    os.close(new)


def test_lock_after_everything_was_tidied_away(base: Path) -> None:
    state = StateDirectory(base, "a")
    base.rmdir()
    lock = state.try_lock()
    assert lock is not None
    os.close(lock)
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700


def test_lock_in_a_directory_of_others(base: Path) -> None:
    """It was our own when the server started."""
    state = StateDirectory(base, "a")
    base.chmod(0o777)
    with pytest.raises(ConfigError, match="nobody else may write"):
        state.try_lock()


def test_lock_that_cannot_be_made(base: Path) -> None:
    state = StateDirectory(base, "a")
    (base / "a").write_text("in the way")
    with pytest.raises(SupervisorError, match="File exists; set FLUXSYNC_STATE_DIR"):
        state.try_lock()


def test_description(base: Path) -> None:
    state = StateDirectory(base, "a")
    assert state.description() is None
    state.path.mkdir()
    state.describe({"name": "app:app"})
    assert state.description() == {"name": "app:app"}
    state.info.write_text("{")
    assert state.description() is None
    state.info.write_text("[]")
    assert state.description() is None


def test_touch(base: Path) -> None:
    state = StateDirectory(base, "a")
    state.path.mkdir()
    state.describe({})
    os.utime(state.info, (1, 1))
    state.touch()
    assert state.info.stat().st_mtime > 1


def test_remove_stale(base: Path) -> None:
    """What nobody holds goes; what somebody holds, or isn't ours, stays."""
    used, stale, odd = (StateDirectory(base, 15 * "0" + digit) for digit in "abc")
    (base / "documents").mkdir()
    (base / "documents" / "thesis").write_text("years of work")
    lock = used.try_lock()
    assert lock is not None
    stale.path.mkdir()
    stale.describe({})
    odd.path.write_text("a file")
    remove_stale(base)
    os.close(lock)
    assert sorted(base.iterdir()) == [used.path, odd.path, base / "documents"]
    assert (base / "documents" / "thesis").exists()
    assert [state.path for state in all_states(base)] == [used.path]


def test_base_directory_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = base_directory("", "default")
    assert path == tmp_path / f"fluxsync-{os.getuid()}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert base_directory("", "default") == path


def test_base_directory_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.mkdir()
    if os.getuid() == 0:
        os.chown(path, 12345, -1)
        with pytest.raises(ConfigError, match="a directory of your own"):
            base_directory(str(path), "environment")
    else:
        with pytest.raises(ConfigError, match="a directory of your own"):
            base_directory("/usr", "environment")


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_base_directory_that_others_may_write(mode: int, tmp_path: Path) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match="nobody else may write"):
        base_directory(str(tmp_path), "environment")


def test_base_directory_that_is_a_link(tmp_path: Path) -> None:
    """Whoever made it may point it elsewhere at any time."""
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(ConfigError, match="a directory of your own"):
        base_directory(str(tmp_path / "link"), "environment")


def test_base_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="Not a directory"):
        base_directory(str(tmp_path / "file" / "s"), "environment")


@pytest.mark.parametrize("unit", ["x", "é"])
def test_path_that_is_too_long(unit: str) -> None:
    """Bytes count, not characters."""
    rest = len("/" + "/k/supervisor.sock")
    size = len(unit.encode())
    fits = "/" + unit * ((103 - rest) // size)
    StateDirectory(Path(fits), "k")
    with pytest.raises(ConfigError, match="a shorter path, as a socket's has 103 bytes at most"):
        StateDirectory(Path(fits + unit), "k")


def test_base_that_has_just_been_removed(tmp_path: Path) -> None:
    """The last supervisor takes it away while a command is about to look."""
    assert all_states(tmp_path / "gone") == []


def test_errors_name_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the setting; and none is to blame for the default."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="/file' from environment: expected a directory that"):
        base_directory(str(tmp_path / "file"), "environment")
    base = base_directory(str(tmp_path / "s"), ".env")
    state = StateDirectory(base, "a", ".env")
    base.chmod(0o777)
    with pytest.raises(ConfigError, match=r"/s' from \.env: expected a directory of your own"):
        base_directory(str(base), ".env")
    with pytest.raises(ConfigError, match=r"/s' from \.env: expected a directory of your own"):
        state.try_lock()
    with pytest.raises(ConfigError, match="g' from code: expected a shorter path"):
        StateDirectory(Path("/" + "g" * 103), "a", "code")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="' from default: expected a directory that can be made"):
        base_directory("", "fluxsync.toml")
