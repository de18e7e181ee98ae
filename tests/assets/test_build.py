from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import pytest

from fluxsync.assets import build, encoders, sets
from fluxsync.assets.encoders import Encoder
from fluxsync.assets.frontend import Frontend, Package
from tests.support.processes import ROOT

QUICK, BEST = (encoders.encoders(best=best)[0] for best in (False, True))
DAY = 24 * 3600
OTHER_USER = 12345

#: Compresses a package with an encoder that takes its time; says when it has begun.
PROGRAM = """
import gzip, pathlib, sys, time
from fluxsync.assets import build, encoders, frontend
def compress(data):
    print("began", flush=True)
    time.sleep(float(sys.argv[3]))
    return gzip.compress(data, mtime=0)
files = frontend.scan(frontend.Package(sys.argv[1], "9.9"))
for built in build.build(files, [pathlib.Path(sys.argv[2])], [encoders.Encoder("gzip", 6, compress)]):
    print("new" if built.is_new else "found", flush=True)
"""


def compress(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def start(package: Package, base: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, package.directory, str(base), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def names(base: Path) -> list[str]:
    """Return what lies in a cache directory, but for the lock."""
    return sorted(name for name in os.listdir(base / sets.FRONTEND) if name != ".lock")


def test_set(files: Frontend, tmp_path: Path) -> None:
    base = tmp_path / "a" / "cache"
    (made,) = build.build(files, [base], [QUICK])
    (found,) = build.build(files, [base], [QUICK])
    (better,) = build.build(files, [base], [BEST])
    (still_better,) = build.build(files, [base], [QUICK])
    assert [one.is_new for one in (made, found, better, still_better)] == [True, False, True, False]
    assert found == made._replace(is_new=False)
    assert still_better == better._replace(is_new=False)
    assert names(base) == [f"streamlit-9.9-{files.digest}.gzip.{level}" for level in (6, 9)]

    encoded = sets.read(made.directory)
    # A tiny file gets no smaller, and a font is compressed already.
    assert sorted(encoded) == ["/static/css/index.abc.css", "/static/js/index.abc.js"]
    for url, one in encoded.items():
        data = Path(one.path).read_bytes()
        assert gzip.decompress(data) == Path(files.files[url].path).read_bytes()
        assert len(data) == one.size
    assert (made.files, made.before) == (2, sum(files.files[url].size for url in encoded))
    assert made.after == sum(one.size for one in encoded.values())
    assert str(made) == f"gzip: 2 files, 0.1 MB, are 0.0 MB in {made.directory}"


@pytest.mark.parametrize("coding", encoders.CODINGS)
def test_codings(
    coding: str, files: Frontend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a set of its own, which those of other codings don't count for."""
    if coding == "zstd":  # isn't made where there's Brotli
        for name in ("brotli", "brotlicffi"):
            monkeypatch.setitem(sys.modules, name, None)
    found = [one for one in encoders.encoders(best=False) if one.coding == coding]
    if not found:
        pytest.skip("there's no module for it")
    list(build.build(files, [tmp_path / "cache"], [Encoder("other", 99, compress)]))
    (built,) = build.build(files, [tmp_path / "cache"], found)
    assert (built.coding, built.is_new) == (coding, True)
    url = "/static/js/index.abc.js"
    data = Path(sets.read(built.directory)[url].path).read_bytes()
    assert data == found[0].compress(Path(files.files[url].path).read_bytes())


def test_second_directory(files: Frontend, tmp_path: Path) -> None:
    """The first one can't be made, or is somebody else's; what is in the second is found."""
    (tmp_path / "file").write_text("")
    first, second = tmp_path / "file" / "cache", tmp_path / "second"
    for is_new in (True, False):
        (built,) = build.build(files, [first, second], [QUICK])
        assert (built.is_new, built.directory.parents[1]) == (is_new, second)
    with pytest.raises(NotADirectoryError):
        list(build.build(files, [first], [QUICK]))
    with pytest.raises(FileNotFoundError):
        list(build.build(files, [], [QUICK]))


@pytest.mark.parametrize("name", [sets.FRONTEND, ""])
def test_directory_that_others_may_write(name: str, files: Frontend, tmp_path: Path) -> None:
    base = tmp_path / "cache"
    (base / name).mkdir(parents=True)
    (base / name).chmod(0o777)
    with pytest.raises(PermissionError, match="nobody else may write"):
        list(build.build(files, [base], [QUICK]))
    assert sorted(path.name for path in base.rglob("*")) == [name] * bool(name)


def test_two_at_once(package: Package, tmp_path: Path) -> None:
    """One makes it, the other waits, and finds it."""
    base = tmp_path / "cache"
    with start(package, base, 0.05) as first, start(package, base, 0.05) as second:
        outputs = [process.communicate(timeout=30)[0].split() for process in (first, second)]
    assert sorted(output[-1] for output in outputs) == ["found", "new"]
    assert len(names(base)) == 1


def test_two_at_once_without_locks(
    files: Frontend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have none. Both make it, and one of them stays."""

    def flock(*_: object) -> t.NoReturn:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    base = tmp_path / "cache"
    together = threading.Barrier(2)

    def wait(data: bytes) -> bytes:
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(10)
        together.abort()
        return compress(data)

    def run() -> None:
        with contextlib.suppress(OSError):
            list(build.build(files, [base], [Encoder("gzip", 6, wait)]))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sets.find(base, files, "gzip")
    assert found is not None
    assert names(base) == [found.directory.name]


def test_killed(package: Package, files: Frontend, tmp_path: Path) -> None:
    """Nobody sees the half of it, and the next one tidies up."""
    base = tmp_path / "cache"
    with start(package, base, 600) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        process.send_signal(signal.SIGKILL)
    (left,) = names(base)
    assert left.startswith(".new-")
    assert sets.find(base, files, "gzip") is None
    (built,) = build.build(files, [base], [QUICK])
    assert names(base) == [built.directory.name]


@pytest.mark.parametrize("room", [0, 2000])
def test_full_disk(room: int, files: Frontend, tmp_path: Path) -> None:
    """As a limit of file sizes, which Python reports as an error too. Nothing is left."""
    noise = os.urandom(3000)  # all of it in one file, cut in the middle
    base = tmp_path / "cache"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            list(build.build(files, [base], [Encoder("gzip", 6, lambda _: noise)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(base) == []


def test_upgrade_meanwhile(files: Frontend, package: Package, tmp_path: Path) -> None:
    path = Path(package.directory, "static/static/js/index.abc.js")
    path.write_text("shorter")
    with pytest.raises(FileNotFoundError, match="has changed"):
        list(build.build(files, [tmp_path / "cache"], [QUICK]))
    shutil.rmtree(package.directory)
    with pytest.raises(FileNotFoundError):
        list(build.build(files, [tmp_path / "cache"], [QUICK]))
    assert names(tmp_path / "cache") == []


def test_forgotten_sets(files: Frontend, tmp_path: Path) -> None:
    """What nobody has used for a month goes, when something new comes."""
    base = tmp_path / "cache"
    for name, days in {"streamlit-1.0-0.gzip.6": 31, "streamlit-1.1-0.gzip.6": 29}.items():
        path = base / sets.FRONTEND / name
        path.mkdir(parents=True, mode=0o755)
        (path / "0.gzip").touch()
        os.utime(path, (time.time() - days * DAY,) * 2)
    for path in (base, base / sets.FRONTEND):
        path.chmod(0o755)
    (built,) = build.build(files, [base], [QUICK])
    assert names(base) == ["streamlit-1.1-0.gzip.6", built.directory.name]


def test_use_is_noted(files: Frontend, tmp_path: Path) -> None:
    (built,) = build.build(files, [tmp_path / "cache"], [QUICK])
    os.utime(built.directory, (0, 0))
    list(build.build(files, [tmp_path / "cache"], [QUICK]))
    assert time.time() - built.directory.stat().st_mtime < DAY


@pytest.fixture
def open_directory() -> t.Iterator[Path]:
    """A directory that other users reach, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="fluxsync-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.getuid() != 0, reason="root alone may become somebody else")
@pytest.mark.filterwarnings("ignore:.* fork:DeprecationWarning")  # servers have threads here
def test_read_only(files: Frontend, open_directory: Path) -> None:
    """An image's directory, made by root: another user finds it, and makes the rest elsewhere."""
    base, other = open_directory / "cache", open_directory / "other"
    (built,) = build.build(files, [base], [BEST])
    other.mkdir(mode=0o755)
    os.chown(other, OTHER_USER, -1)
    none = Frontend(Package("", "9.9"), {})
    none.digest = files.digest  # the small Streamlit's files are in pytest's directory
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.setuid(OTHER_USER)
            (found,) = build.build(none, [base, other], [QUICK])
            (made,) = build.build(none, [base, other], [Encoder("zstd", 1, compress)])
            rightly = (found.is_new, found.directory) == (False, built.directory)
            status = 0 if rightly and made.directory.parents[1] == other else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
