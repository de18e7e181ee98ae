from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fluxsync.exceptions import ConfigError
from fluxsync.process import pidfile
from fluxsync.process.pidfile import Found, PidFile

#: Holds a file until its standard input ends.
HOLDER = """\
import sys
from fluxsync.process.pidfile import PidFile
with PidFile(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    with holder.stdout as stdout:
        assert stdout.readline() == b"held\n"
    return holder


def end(holder: subprocess.Popen[bytes]) -> int:
    holder.communicate()
    return holder.returncode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.pid"


def test_life(path: Path) -> None:
    """The number and nothing else, for as long as it runs."""
    holder = hold(path)
    assert path.read_text() == f"{holder.pid}\n"
    assert pidfile.read(str(path)) == Found(holder.pid, is_held=True)
    assert end(holder) == 0
    assert not path.exists()


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with PidFile(""):
        assert list(tmp_path.iterdir()) == []


def test_second_server(path: Path) -> None:
    """It's refused, and leaves the first one's file alone."""
    holder = hold(path)
    with pytest.raises(ConfigError, match=rf"process id {holder.pid} has it") as refused:
        PidFile(str(path), "environment").__enter__()
    assert str(refused.value).startswith(f"pidfile='{path}' from environment: expected another")
    assert path.read_text() == f"{holder.pid}\n"
    end(holder)


def test_killed_server(path: Path) -> None:
    """Its number may be another process's by now: ours, here."""
    holder = hold(path)
    holder.send_signal(signal.SIGKILL)
    end(holder)
    assert path.read_text() == f"{holder.pid}\n"
    path.write_text(f"{os.getpid()}\n")
    assert pidfile.read(str(path)) == Found(os.getpid(), is_held=False)
    with PidFile(str(path)):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


def test_removed_by_its_owner_only(path: Path) -> None:
    """Somebody has removed the file, and another server has written its own."""
    with PidFile(str(path)):
        path.unlink()
        path.write_text("7\n")
    assert path.read_text() == "7\n"


def test_forked_worker(path: Path) -> None:
    """gunicorn's workers come by the end of the block, too."""
    file = PidFile(str(path))
    with file:
        pid = os.fork()
        if not pid:
            file.__exit__()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert path.exists()
    assert not path.exists()


def test_stale_file(path: Path) -> None:
    path.write_text("1\n")
    pidfile.remove_stale(str(path))
    assert not path.exists()
    holder = hold(path)
    pidfile.remove_stale(str(path))
    assert path.exists()
    end(holder)


@pytest.mark.parametrize("content", ["print('hello')\n", "12 34", "1" * 11])
def test_other_peoples_files(path: Path, content: str) -> None:
    """A slip of the keyboard costs nobody a file."""
    path.write_text(content)
    with pytest.raises(ConfigError, match="isn't there yet, or has a process id"):
        PidFile(str(path)).__enter__()
    with pytest.raises(ValueError, match="no process id"):
        pidfile.read(str(path))
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("directory", "Is a directory"),
        ("link", "a link leads elsewhere"),
        ("fifo", "a regular file"),
        ("missing", "No such file"),
        ("full", "a regular file"),
    ],
)
def test_no_file(path: Path, kind: str, words: str) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        (path.parent / "precious").write_text("")
        path.symlink_to("precious")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "missing":
        path = path / "server.pid"
    else:
        path = Path("/dev/full")
    with pytest.raises(ConfigError, match=words):
        PidFile(str(path)).__enter__()
