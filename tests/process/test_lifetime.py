from __future__ import annotations

import os
import select
import subprocess
import sys
import typing as t

import psutil
import pytest

from fluxsync.process import lifetime
from fluxsync.process.lifetime import Anchor, Lifetime, start_time
from tests.support.waiting import eventually

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def process() -> t.Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and leave a zombie."""
    process.kill()
    zombie = psutil.Process(process.pid)
    eventually(lambda: zombie.status() == psutil.STATUS_ZOMBIE)


def test_start_time(process: subprocess.Popen[bytes]) -> None:
    """It tells two processes apart; what has ended has none."""
    start = start_time(process.pid)
    assert start == start_time(process.pid)
    assert start.isdigit()
    assert start != start_time(os.getpid())
    end(process)
    assert start_time(process.pid) == ""
    process.wait()
    assert start_time(process.pid) == ""


@pytest.mark.parametrize("watched", [True, False])
def test_end_of_the_anchor(watched: bool, process: subprocess.Popen[bytes]) -> None:
    """A zombie has ended."""
    anchor = Anchor(process.pid)
    file = anchor.watch() if watched else None
    assert anchor.is_alive()
    end(process)
    if file is not None:
        assert select.select([file], [], [], 10)[0] == [file]
    assert not anchor.is_alive()
    process.wait()
    assert not anchor.is_alive()
    anchor.close()
    assert not anchor.is_alive()


@pytest.mark.parametrize("watched", [True, False])
def test_number_that_was_given_again(watched: bool, process: subprocess.Popen[bytes]) -> None:
    """A later process with the anchor's number isn't the anchor."""
    anchor = Anchor(process.pid, start="1")
    if watched:
        assert anchor.watch() is None
    assert not anchor.is_alive()


def test_anchor_of_another_user() -> None:
    """It's there, even if no signal can be sent to it."""
    assert Anchor(1).is_alive()


def test_lifetime(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the anchor; then a moment longer if there still are workers."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    life = Lifetime(Anchor(process.pid))
    now += 1000
    assert not life.is_over(wanted=True, connections=0)
    end(process)
    assert not life.is_over(wanted=True, connections=1)
    now += lifetime.ORPHANS
    assert not life.is_over(wanted=True, connections=1)
    assert life.is_over(wanted=True, connections=0)
    now += 0.1
    assert life.is_over(wanted=True, connections=1)


def test_supervisor_that_nobody_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever started it was killed, say."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    life = Lifetime(Anchor(os.getpid()))
    now += lifetime.FIRST_WORD
    assert not life.is_over(wanted=False, connections=0)
    now += 0.1
    assert life.is_over(wanted=False, connections=0)
    assert not life.is_over(wanted=True, connections=0)
