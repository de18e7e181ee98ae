from __future__ import annotations

import logging
import os
import signal
import typing as t
from functools import partial
from pathlib import Path

import psutil
import pytest

from fluxsync.process import replicas
from fluxsync.process.replicas import Child
from fluxsync.process.spec import Spec
from tests.support.processes import is_alive
from tests.support.waiting import eventually

StartChild = t.Callable[..., Child]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[StartChild]:
    """Start a program in place of Streamlit's; ``report`` is its descriptor to report to."""
    children: list[Child] = []

    def start(text: str, **environment: str) -> Child:
        path = tmp_path / "child.py"
        path.write_text(f"import os, subprocess, sys, time\nreport = int(sys.argv[1])\n{text}\n")
        monkeypatch.setattr(replicas, "_CHILD", path)
        spec = Spec(name="x", directory=str(tmp_path), arguments=("script.py",))
        children.append(Child("r1", spec, environment))
        return children[-1]

    yield start
    for child in children:
        child.signal(signal.SIGKILL)
        eventually(partial(ended, child))


def ended(child: Child) -> bool:
    return child.poll() is not None


def status(child: Child) -> int:
    """Wait for its end, and read all it has left."""
    eventually(partial(ended, child))
    child.close()
    code = child.poll()
    assert code is not None
    return code


def test_arguments_and_environment(program: StartChild, tmp_path: Path) -> None:
    """It gets what it's given, no more, and no open file but its own."""
    with open(os.devnull) as file:
        os.set_inheritable(file.fileno(), True)
        child = program(
            "print(sys.argv[2:], sorted(os.environ), os.getcwd(), os.getsid(0) == os.getpid())\n"
            "print(len(os.listdir('/dev/fd')) == len([0, 1, 2, report, 'the directory']))",
            LC_CTYPE="C.UTF-8",
        )
        assert status(child) == 0
    expected = f"['{os.getpid()}', '-', 'script.py'] ['LC_CTYPE'] {tmp_path} True"
    assert child.last_lines == [expected, "True"]


def test_output(program: StartChild, caplog: pytest.LogCaptureFixture) -> None:
    """Lines are logged, without secrets, and the last ones remembered."""
    caplog.set_level(logging.INFO, "fluxsync.streamlit")
    logging.getLogger("fluxsync").propagate = True
    child = program(
        "for n in range(30): print('line', n)\n"
        "print()\n"
        "print('password=swordfish')\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe no text\\n')\n"
        "sys.stderr.write('no end')"
    )
    assert status(child) == 0
    lines = [f"line {n}" for n in range(30)] + ["password=***", "\ufffd\ufffd no text", "no end"]
    assert child.last_lines == lines[-20:]
    assert [record.getMessage() for record in caplog.records] == lines
    assert {vars(record)["replica"] for record in caplog.records} == {"r1"}


def test_flood(program: StartChild, caplog: pytest.LogCaptureFixture) -> None:
    """A page that prints without end isn't stopped by that, and its last words are known."""
    caplog.set_level(logging.INFO, "fluxsync.streamlit")
    logging.getLogger("fluxsync").propagate = True
    child = program(
        "sys.stdout.buffer.write(b'x' * 10_000_000 + b'\\n')\n"
        "sys.stdout.buffer.write(os.urandom(1_000_000) + b'\\n')\n"
        "sys.stdout.buffer.writelines(b'line %d\\n' % n for n in range(200_000))\n"
        "print('the end')"
    )
    while child.poll() is None:
        child.read_output()
    assert status(child) == 0
    assert child.last_lines[-1] == "the end"
    assert max(len(record.getMessage()) for record in caplog.records) < 65536
    (told,) = {r.getMessage().split(" ", 1)[1] for r in caplog.records if r.levelno > logging.INFO}
    assert told == "lines were left out, more than 1000 in a second"


def test_long_lines(program: StartChild) -> None:
    """What is remembered goes to each worker with each table, and stays small."""
    child = program("for n in range(30): print(chr(233) * 1_000_000)")
    while child.poll() is None:
        child.read_output()
    assert status(child) == 0
    assert len(child.last_lines) == 20
    assert max(map(len, child.last_lines)) == 1024


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        pytest.param("b'8501\\n'", (8501,), id="one"),
        pytest.param("b'8501 9000\\n'", (8501, 9000), id="several"),
        pytest.param("b'-1 x \\xff 8501'", (8501,), id="rubbish"),
        pytest.param("b'8501\\n9000\\n'", (8501,), id="first line"),
        pytest.param("b'9' * 5000 + b' 123456 8501\\n'", (8501,), id="large numbers"),
        pytest.param("bytes(range(11, 256)) * 9", (), id="no line"),
        pytest.param("b''", (), id="nothing"),
    ],
)
def test_report(text: str, ports: tuple[int, ...], program: StartChild) -> None:
    child = program(f"os.write(report, {text}); os.close(report); time.sleep(600)")
    eventually(lambda: not child.read_report())
    assert child.ports == ports
    child.signal(signal.SIGTERM)
    assert status(child) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("text", "frontend"),
    [
        pytest.param(
            "b'8501\\n1.67.0 5a /caf\\xc3\\xa9/static\\n'", "1.67.0 5a /café/static", id="text"
        ),
        pytest.param("b'8501\\n\\n'", "", id="not known"),
        pytest.param("b'8501'", "", id="nothing"),
        pytest.param("b'8501\\n\\xff\\nmore'", "\ufffd", id="rubbish"),
        pytest.param("b'8501\\n' + b'x' * 60_000", "x" * (5 * 1024 - 5), id="much"),
    ],
)
def test_report_of_frontend_files(text: str, frontend: str, program: StartChild) -> None:
    """It goes to each worker with each table, and stays small."""
    child = program(f"os.write(report, {text}); os.close(report); time.sleep(600)")
    eventually(lambda: not child.read_report())
    assert (child.ports, child.frontend) == ((8501,), frontend)
    child.signal(signal.SIGTERM)
    assert status(child) == -signal.SIGTERM


def test_kill_ends_what_it_has_started(program: StartChild) -> None:
    child = program("print(subprocess.Popen(['sleep', '600']).pid); time.sleep(600)")
    eventually(lambda: child.read_output() and bool(child.last_lines))
    grandchild = psutil.Process(int(child.last_lines[0]))
    child.signal(signal.SIGKILL)
    eventually(lambda: not is_alive(grandchild))
    assert status(child) == -signal.SIGKILL


def test_end_ends_what_it_has_started(program: StartChild) -> None:
    """A process that it leaves behind, and that holds its output open, delays nobody."""
    child = program("print(subprocess.Popen(['sleep', '600']).pid)")
    assert status(child) == 0
    grandchild = int(child.last_lines[0])
    eventually(
        lambda: not psutil.pid_exists(grandchild) or not is_alive(psutil.Process(grandchild))
    )


def test_grandchild_that_writes_for_ever(program: StartChild, tmp_path: Path) -> None:
    """One in a session of its own isn't ours to kill; it isn't listened to either."""
    child = program(
        "print(subprocess.Popen(['yes'], start_new_session=True).pid, file=open('pid', 'w'))"
    )
    assert status(child) == 0
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: not psutil.pid_exists(pid) or not is_alive(psutil.Process(pid)))  # EPIPE


def test_program_that_cannot_be_started(tmp_path: Path) -> None:
    """No descriptor is left, as the leak detector sees."""
    spec = Spec(name="x", directory=str(tmp_path / "gone"), arguments=("script.py",))
    with pytest.raises(FileNotFoundError):
        Child("r1", spec, {})
    with pytest.raises(ValueError, match="null byte"):
        Child("r1", Spec(name="x", directory="/", arguments=("a\0b",)), {})
