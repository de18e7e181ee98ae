"""The supervisor's helper, and the program that it runs."""

from __future__ import annotations

import gzip
import json
import logging
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import psutil
import pytest

from fluxsync.process import compressor as _compressor
from fluxsync.process.compressor import Compressor
from fluxsync.process.spec import Spec
from tests.support.processes import ROOT, is_alive
from tests.support.waiting import eventually

SLEEP = "import time; time.sleep(600)"
FAILED = "frontend files are sent as they are, not compressed: "
Start = t.Callable[..., Compressor]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Start]:
    """Start a program in place of the real one."""
    started: list[Compressor] = []

    def start(text: str, directory: Path = tmp_path, *dirs: str) -> Compressor:
        path = tmp_path / "program.py"
        path.write_text(text)
        monkeypatch.setattr(_compressor, "_PROGRAM", path)
        spec = Spec(name="x", directory=str(directory), cache_dirs=dirs)
        started.append(Compressor(spec, {"A": "b", "LC_CTYPE": "C.UTF-8"}))
        started[-1].want("one")
        return started[-1]

    yield start
    for one in started:
        one.stop()
        wait(one)


def wait(one: Compressor) -> None:
    def has_ended() -> bool:
        one.step()
        return not one.is_running

    eventually(has_ended)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fluxsync.assets")
    logging.getLogger("fluxsync").propagate = True


def test_arguments_and_environment(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "import os, sys; print(sys.argv[1:], sorted(os.environ), os.getcwd())\n"
    text += "print(os.getsid(0) == os.getpid())"
    wait(start(text, tmp_path, "/a", "/b c"))
    first = f"frontend files: ['/a', '/b c'] ['A', 'LC_CTYPE'] {tmp_path}"
    assert logged(caplog) == [first, "frontend files: True"]


def test_once_for_each_installation(start: Start, tmp_path: Path) -> None:
    one = start("open('ran', 'a').write('x')")
    wait(one)
    for name in ("one", "", "two", "two"):
        one.want(name)
        wait(one)
    assert (tmp_path / "ran").read_text() == "xx"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("print('first'); exit('disk is full')", "disk is full", id="words"),
        pytest.param("exit(3)", "exit code 3", id="no words"),
        pytest.param("print('x' * 60_000); exit('y' * 60_000)", "y" * 4095, id="long words"),
        pytest.param(
            "print('x\\n' * 500_000); exit('disk is full')", "disk is full", id="many words"
        ),
        pytest.param("import os; os.kill(os.getpid(), 9)", "ended by signal 9", id="killed"),
    ],
)
def test_failure(text: str, reason: str, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    wait(start(text))
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", FAILED + reason)


def test_program_that_cannot_be_started(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not start("", tmp_path / "gone").is_running
    (message,) = logged(caplog)
    assert message.startswith(FAILED)


def test_stop(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """It's no failure, and needs no patience."""
    one = start(SLEEP)
    one.step()
    assert one.is_running
    one.stop()
    wait(one)
    one.stop()
    assert logged(caplog) == []


def test_output_that_somebody_holds_open(start: Start) -> None:
    """What it has started may live on; nobody waits for it."""
    program = [sys.executable, "-c", SLEEP]
    one = start(f"import subprocess; print(subprocess.Popen({program!r}).pid, file=open('p', 'w'))")
    try:
        wait(one)
    finally:
        os.kill(int(Path(one._spec.directory, "p").read_text()), signal.SIGKILL)


# The program itself

STREAMLIT = {
    "streamlit/__init__.py": "raise RuntimeError('imported')",
    "streamlit/static/static/js/a.js": "export const number = 1;\n" * 500,
    "streamlit-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: streamlit\nVersion: 9.9\n",
}
PROGRAM = str(_compressor._PROGRAM)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A directory with a small Streamlit."""
    for name, text in STREAMLIT.items():
        path = tmp_path / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "packages"


def run(packages: Path | None, *bases: Path) -> subprocess.Popen[str]:
    # Without site-packages: there's the standard library only.
    return subprocess.Popen(
        [sys.executable, "-S", PROGRAM, *map(str, bases)],
        env={"PYTHONPATH": str(packages)} if packages is not None else {},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return status and output, its input being open until the end."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        text = process.stdout.read()
        return process.wait(), text


def test_program(packages: Path, tmp_path: Path) -> None:
    base = tmp_path / "cache"
    status, text = output(run(packages, base))
    assert status == 0, text
    (manifest,) = base.glob("frontend/streamlit-9.9-*.gzip.6/manifest.json")
    (name, _, _) = json.loads(manifest.read_text())["files"]["/static/js/a.js"]
    content = gzip.decompress(manifest.with_name(name).read_bytes())
    assert content.decode() == STREAMLIT["streamlit/static/static/js/a.js"]
    assert text.startswith(f"gzip: 1 files, 0.0 MB, are 0.0 MB in {manifest.parent}\n")
    assert output(run(packages, base)) == (0, "")


def test_program_without_streamlit(tmp_path: Path) -> None:
    assert output(run(None, tmp_path)) == (1, "Streamlit is not installed\n")


def test_program_without_a_directory(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, text = output(run(packages, tmp_path / "file"))
    assert (status, len(text.splitlines())) == (1, 1)
    assert "is not a directory of your own" in text


SUPERVISOR = """
import subprocess, sys, time
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
print(process.pid, flush=True)
time.sleep(600)
"""


def test_end_of_the_supervisor(packages: Path, tmp_path: Path) -> None:
    """It ends too, while it has much to do."""
    big = packages / "streamlit/static/static/js/b.js"
    big.write_bytes(os.urandom(1 << 20).hex().encode() * 20)
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, sys.executable, PROGRAM, str(tmp_path / "cache")],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(packages)},
        cwd=ROOT,
    ) as supervisor:
        assert supervisor.stdout is not None
        process = psutil.Process(int(supervisor.stdout.readline()))
        # Its share of a busy machine is small.
        eventually(lambda: list((tmp_path / "cache").glob("frontend/.new-*")), 60)
        assert process.nice() == 19
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
    eventually(lambda: not is_alive(process), 60)
    assert not list((tmp_path / "cache").glob("frontend/streamlit-*"))
