from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from fluxsync.assets import directories

OTHER_USER = 12345


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of these tests."""
    path = tmp_path / "tmp"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


@pytest.mark.parametrize(
    ("setting", "environ", "expected"),
    [
        pytest.param("/a/b", {"XDG_CACHE_HOME": "/x"}, "/a/b", id="setting"),
        pytest.param("", {"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/fluxsync", id="XDG"),
        pytest.param("", {"HOME": "/h"}, "/h/.cache/fluxsync", id="home"),
        pytest.param("", {"XDG_CACHE_HOME": "x", "HOME": "/h"}, "/h/.cache/fluxsync", id="rel"),
    ],
)
def test_candidates(
    setting: str,
    environ: dict[str, str],
    expected: str,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    last = temporary / f"fluxsync-cache-{os.getuid()}"
    assert directories.candidates(setting) == (Path(expected), last)


def test_relative_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert directories.candidates("cache")[0] == tmp_path / "cache"


def test_no_home(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "nowhere")
    assert directories.candidates("") == (temporary / f"fluxsync-cache-{os.getuid()}",)


def test_made(tmp_path: Path) -> None:
    """Others may read it, whatever this user's habits are."""
    path = tmp_path / "a" / "b"
    before = os.umask(0o077)
    try:
        directories.make(path)
        directories.make(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o755
    assert directories.is_trusted(path)


def test_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while it's made either, or they'd have put something there."""
    modes: list[int] = []
    monkeypatch.setattr(Path, "chmod", lambda path, _: modes.append(path.stat().st_mode & 0o777))
    before = os.umask(0)
    try:
        directories.make(tmp_path / "cache")
    finally:
        os.umask(before)
    assert modes == [0o755]


def writable(path: Path) -> None:
    path.mkdir()
    path.chmod(0o775)


def link(path: Path) -> None:
    path.with_name("elsewhere").mkdir(mode=0o700)
    path.symlink_to("elsewhere")


def file(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("prepare", [writable, link, file])
def test_not_trusted(prepare: object, tmp_path: Path) -> None:
    path = tmp_path / "cache"
    assert callable(prepare)
    prepare(path)
    mode = path.stat().st_mode
    assert not directories.is_trusted(path)
    with pytest.raises(PermissionError, match="is not a directory of your own"):
        directories.make(path)
    assert path.stat().st_mode == mode  # somebody else's, maybe


def test_link_in_the_setting(tmp_path: Path) -> None:
    """As systemd makes one: it's the directory behind it that counts."""
    link(tmp_path / "cache")
    first = directories.candidates(str(tmp_path / "cache"))[0]
    assert first == tmp_path / "elsewhere"
    directories.make(first)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give directories away")
def test_somebody_elses(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    path.mkdir(mode=0o755)
    os.chown(path, OTHER_USER, -1)
    assert not directories.is_trusted(path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.filterwarnings("ignore:.* fork:DeprecationWarning")  # servers have threads here
def test_roots(tmp_path: Path) -> None:
    """An image is built by root, and its programs run as another user."""
    path = tmp_path / "cache"
    path.mkdir(mode=0o755)
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.chmod(tmp_path, 0o755)
            os.chdir(tmp_path)
            os.setuid(OTHER_USER)
            status = 0 if directories.is_trusted(Path("cache")) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_not_there(tmp_path: Path) -> None:
    assert not directories.is_trusted(tmp_path / "gone")


def test_published(tmp_path: Path) -> None:
    path = Path(tempfile.mkdtemp(dir=tmp_path))
    (path / "file").touch(mode=0o600)
    directories.publish(path)
    assert path.stat().st_mode & 0o777 == 0o755
    assert (path / "file").stat().st_mode & 0o777 == 0o644
