from __future__ import annotations

import io
import os
import termios
import typing as t
from pathlib import Path

import pytest

from fluxsync.process.progress import Progress

Terminal = tuple[int, t.TextIO]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Terminal]:
    """A terminal: where a person reads, and where programs write."""
    monkeypatch.setenv("TERM", "xterm")
    person, program = os.openpty()
    with open(program, "w") as stream:
        yield person, stream
    os.close(person)


def read(person: int, count: int) -> bytes:
    """Return so many bytes, which may come in pieces."""
    data = b""
    while len(data) < count:
        data += os.read(person, 1000)
    return data


def test_terminal(terminal: Terminal) -> None:
    """Each text is written over the one before, and the last one is wiped away."""
    person, stream = terminal
    progress = Progress(stream)
    progress.clear()
    progress.show("Starting ... 10 s")
    progress.show("Starting ... 10 s")
    progress.show("Almost")
    progress.clear()
    progress.clear()
    written = b"Starting ... 10 s\r" + b"Almost           \r" + b"      \r"
    assert read(person, len(written)) == written


def test_stopped_terminal(terminal: Terminal) -> None:
    """Ctrl-S stops the person's terminal, not the supervisor."""
    person, stream = terminal
    termios.tcflow(stream.fileno(), termios.TCOOFF)
    Progress(stream).show("Starting")
    termios.tcflow(stream.fileno(), termios.TCOON)
    Progress(stream).show("again")
    assert read(person, 6) == b"again\r"


def test_dumb_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    person, stream = terminal
    monkeypatch.setenv("TERM", "dumb")
    Progress(stream).show("Starting")
    stream.write("end")
    stream.flush()
    assert read(person, 3) == b"end"


def test_file(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w") as log:
        Progress(log).show("Starting")
    assert (tmp_path / "log").read_text() == ""


def test_no_file() -> None:
    Progress(io.StringIO()).show("Starting")
