from __future__ import annotations

import os
import select
import subprocess
import sys
import typing as t

import psutil
import pytest

from fluxsync.process import lifetime
from fluxsync.process.lifetime import Anchor, Ending, Lifetime, start_time
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


def test_anchor_that_serves_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without workers, it stays for a while, which begins anew when there was one."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    life = Lifetime(Anchor(os.getpid()))
    for _ in range(2):
        assert not life.is_over(wanted=True, connections=1, linger=60.0)
        now += 1000
        assert not life.is_over(wanted=True, connections=0, linger=60.0)
        now += 60
        assert not life.is_over(wanted=True, connections=0, linger=60.0)
    now += 0.1
    assert not life.is_over(wanted=True, connections=0)
    assert life.is_over(wanted=True, connections=0, linger=60.0)


@pytest.mark.parametrize(
    ("grace", "seconds", "sessions", "transfers", "over"),
    [
        pytest.param(10, 0, False, False, True, id="nothing is open"),
        pytest.param(10, 0.9, True, False, False, id="browsers take note"),
        pytest.param(10, 1, True, False, True, id="browsers had their time"),
        pytest.param(10, 9.9, False, True, False, id="a transfer goes on"),
        pytest.param(10, 9.9, True, True, False, id="both"),
        pytest.param(10, 10, True, True, True, id="transfers had their time"),
        pytest.param(0, 0.9, False, True, False, id="no less than browsers get"),
        pytest.param(0, 1, False, True, True, id="and no more"),
    ],
)
def test_ending(
    grace: float,
    seconds: float,
    sessions: bool,
    transfers: bool,
    over: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    ending = Ending(goodbye=1, grace=grace)
    assert not ending.is_over
    now += seconds

    assert ending.has_come(sessions=sessions, transfers=transfers) is over
    assert ending.is_over is over


def test_end_that_has_come_stays() -> None:
    """Whatever comes in meanwhile: Streamlit is being stopped."""
    ending = Ending(goodbye=1000, grace=1000)

    assert ending.has_come(sessions=False, transfers=False)
    assert ending.has_come(sessions=True, transfers=True)
