from __future__ import annotations

import subprocess
import sys
import threading
import typing as t

import pytest

from fluxsync.bridges import loop as _loop
from fluxsync.bridges.loop import Loop
from fluxsync.bridges.polling import READ
from tests.support.callers import Clock
from tests.support.relays import LONG, SOON, Rounds, unix_pair, wait_for
from tests.support.waiting import FACTOR, eventually


class Task:
    """A task that is looked at as often as it wants to be.

    :param waits: Seconds until the next look, and the one after it, and so on.
    """

    def __init__(self, loop: Loop, *waits: float) -> None:
        self._loop = loop
        self._waits = list(waits)
        #: Times of the looks; the first is that of its start.
        self.looks: list[float] = []
        self.ended: list[str] = []

    def check(self, now: float) -> float | None:
        self.looks.append(now)
        return now + self._waits.pop(0) if self._waits else None

    def fail(self, reason: str) -> None:
        self.ended.append(reason)
        self._loop.remove(self)


def begin(loop: Loop, *tasks: Task) -> None:
    """Have the loop take tasks up, all at the same time."""

    def add() -> None:
        for task in tasks:
            loop.add(task)

    loop.call(add)


class Reader:
    """Reads what comes on one end of a pair."""

    def __init__(self, loop: Loop) -> None:
        self.far, self.near = unix_pair()
        self.got: list[bytes] = []
        self.ended: list[str] = []
        self._loop = loop
        loop.call(lambda: loop.watch(self.near, 0, READ, self))

    def on_events(self, events: int) -> None:
        self.got.append(self.near.recv(99))
        if self.got[-1] == b"bad":
            raise RuntimeError("a bug")
        self.then()

    def then(self) -> None:
        """Whatever a test wants besides."""

    def fail(self, reason: str) -> None:
        self.ended.append(reason)
        self.leave()

    def leave(self) -> None:
        self._loop.watch(self.near, READ, 0, self)
        self.near.close()

    def close(self) -> None:
        self.far.close()
        self.near.close()


@pytest.fixture
def reader(loop: Loop) -> t.Iterator[t.Callable[[], Reader]]:
    opened: list[Reader] = []

    def make() -> Reader:
        opened.append(Reader(loop))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


Readers = t.Callable[[], Reader]


def test_calls_of_many_threads(loop: Loop) -> None:
    """Each is run once, those of one thread in their order, all in the loop's thread."""
    ran: list[tuple[int, int, str]] = []

    def call(number: int) -> None:
        for i in range(200):
            loop.call(lambda i=i: ran.append((number, i, threading.current_thread().name)))  # type: ignore[misc]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(loop)

    for number in range(8):
        assert [i for n, i, _ in ran if n == number] == list(range(200))
    assert {name for _, _, name in ran} == {"test"}


def test_calls_of_the_loop_itself(loop: Loop) -> None:
    done = threading.Event()
    loop.call(lambda: loop.call(done.set))

    assert done.wait(10 * FACTOR)


def test_error_in_a_call(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """The others are run, and the log says what it was."""
    gate, done = threading.Event(), threading.Event()

    def bad() -> None:
        gate.wait(10 * FACTOR)
        raise RuntimeError("a bug")

    loop.call(bad)
    loop.call(done.set)  # in the same round
    gate.set()

    assert done.wait(10 * FACTOR)
    assert "a bug" in caplog.text


def test_error_in_a_handler(loop: Loop, reader: Readers, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = reader(), reader()
    bad.far.send(b"bad")
    eventually(lambda: bad.ended)
    good.far.send(b"good")

    eventually(lambda: good.got == [b"good"])
    assert bad.ended == ["internal error"]
    assert not good.ended
    assert "a bug" in caplog.text


@pytest.mark.parametrize("when", ["events", "deadline", "end"])
def test_error_at_the_end_of_a_connection(
    loop: Loop, reader: Readers, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with one, the loop's thread goes on, and ends as it should."""
    good = reader()
    bad = Task(loop, SOON)
    failed = threading.Event()

    def fail(*_: object) -> t.NoReturn:
        failed.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(bad, "fail", fail)
    if when == "events":
        ill = reader()
        monkeypatch.setattr(ill, "fail", fail)
        ill.far.send(b"bad")
    else:
        if when == "deadline":
            check = bad.check
            monkeypatch.setattr(bad, "check", lambda now: fail() if bad.looks else check(now))
        begin(loop, bad)
    if when != "end":
        assert failed.wait(10 * FACTOR)
        good.far.send(b"good")
        eventually(lambda: good.got == [b"good"])
    other = Task(loop)
    begin(loop, other)
    loop.stop()

    assert failed.is_set()
    assert other.ended == ["stopped"]


def test_error_in_a_look(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = Task(loop, SOON), Task(loop, 2 * SOON)
    check = bad.check
    monkeypatch.setattr(bad, "check", lambda now: check(now) if not bad.looks else 1 / 0)
    begin(loop, bad, good)

    eventually(lambda: len(good.looks) == 2)
    assert bad.ended == ["internal error"]
    assert not good.ended


def test_deadlines_in_their_order(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(_loop, "time", clock)
    order: list[str] = []

    class Named(Task):
        def __init__(self, name: str, *waits: float) -> None:
            super().__init__(loop, *waits)
            self._name = name

        def check(self, now: float) -> float | None:
            order.append(self._name)
            return super().check(now)

    tasks = [Named("late", 4 * LONG), Named("early", LONG, LONG), Named("never")]
    begin(loop, *tasks)
    for seconds in (LONG, LONG, 2 * LONG):
        clock.advance(seconds, loop)

    assert order == ["late", "early", "never", "early", "early", "late"]
    for task, waits in zip(tasks, ([4], [1, 1], []), strict=True):
        gaps = [b - a for a, b in zip(task.looks, task.looks[1:], strict=False)]
        assert all(gap >= wait * LONG for gap, wait in zip(gaps, waits, strict=True))


def test_deadline_does_not_wait_for_others(loop: Loop, rounds: Rounds) -> None:
    """A later task with an earlier deadline."""
    tasks = [Task(loop, LONG), Task(loop, SOON)]
    for task in tasks:
        begin(loop, task)

    eventually(lambda: len(tasks[1].looks) == 2)
    assert len(tasks[0].looks) == 1


def test_task_that_is_over_is_not_looked_at(loop: Loop) -> None:
    gone, other = Task(loop, SOON), Task(loop, 2 * SOON)

    def begin() -> None:
        loop.add(gone)
        loop.add(other)
        loop.remove(gone)

    loop.call(begin)

    eventually(lambda: len(other.looks) == 2)
    assert len(gone.looks) == 1


def test_idle_loop_sleeps(loop: Loop, rounds: Rounds, reader: Readers) -> None:
    """No rounds for nothing, not with deadlines that are far away either."""
    reader()
    begin(loop, Task(loop, LONG))
    rounds.check_idle(loop)

    assert 0 < t.cast(float, rounds.all[-1][0]) <= LONG


def test_busy_loop_shows(loop: Loop, rounds: Rounds, reader: Readers) -> None:
    """The check that other tests rely on finds what nobody takes."""
    lazy = reader()
    lazy.on_events = lambda events: None  # type: ignore[method-assign]
    lazy.far.send(b"x")
    wait_for(loop)

    assert rounds.strays(loop)


def test_event_of_an_earlier_owner(
    loop: Loop, reader: Readers, caplog: pytest.LogCaptureFixture
) -> None:
    """One handler ends another one whose event is in the same round."""
    pair = reader(), reader()
    for one, other in (pair, pair[::-1]):
        one.then = other.leave  # type: ignore[method-assign]

    def send() -> None:
        for each in pair:
            each.far.send(b"x")

    wait_for(loop)
    loop.call(send)
    for _ in range(3):
        wait_for(loop)

    assert sorted(len(each.got) for each in pair) == [0, 1]
    assert not [each for each in pair if each.ended]
    assert not caplog.records


def test_stop_ends_the_thread_and_all_tasks(loop: Loop, rounds: Rounds) -> None:
    tasks = [Task(loop, LONG), Task(loop)]
    begin(loop, *tasks)
    wait_for(loop)
    loop.stop()

    assert [task.ended for task in tasks] == [["stopped"]] * 2
    assert not loop.tasks
    assert not rounds.watched
    assert "test" not in [thread.name for thread in threading.enumerate()]


def test_stop_of_a_busy_loop(loop: Loop) -> None:
    """What came before it is still done, and so is what came with it."""
    gate, ran = threading.Event(), []

    def work() -> None:
        gate.wait(10 * FACTOR)

    loop.call(work)
    loop.call(lambda: ran.append("before"))
    loop.stop(timeout=0)
    task = Task(loop)
    begin(loop, task)
    gate.set()
    loop.stop()

    assert ran == ["before"]
    assert task.ended == ["stopped"]


def test_call_in_the_last_round(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It's still run: it may bring sockets along, which are to be closed."""
    gate, ran = threading.Event(), []

    def work() -> None:
        gate.wait(10 * FACTOR)

    task = Task(loop, 0.0)
    check = task.check

    def check_and_call(now: float) -> float | None:
        if task.looks:
            loop.call(lambda: ran.append("last"))
        return check(now)

    monkeypatch.setattr(task, "check", check_and_call)
    loop.call(work)
    begin(loop, task)
    loop.stop(timeout=0)
    gate.set()
    loop.stop()

    assert ran == ["last"]


def test_nothing_is_called_after_the_end(loop: Loop) -> None:
    """What the call holds is free then: its sockets, say."""
    wait_for(loop)
    loop.stop()
    ours, theirs = unix_pair()

    with ours, theirs:
        before = sys.getrefcount(theirs)
        loop.call(lambda sock=theirs: sock.close())  # type: ignore[misc]
        loop.stop()

        assert sys.getrefcount(theirs) == before
        assert theirs.fileno() >= 0


def test_loop_that_never_ran_is_stopped() -> None:
    loop = Loop("test")
    loop.stop()

    assert "test" not in [thread.name for thread in threading.enumerate()]


def test_thread_that_cannot_be_started(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets to know, and the next call may be luckier."""
    with monkeypatch.context() as patch:

        def start(thread: threading.Thread) -> t.NoReturn:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", start)
        ran: list[str] = []
        with pytest.raises(RuntimeError, match="can't start"):
            loop.call(lambda: ran.append("first"))
    wait_for(loop)

    assert not ran


def test_no_thread_before_the_first_call() -> None:
    """A process may fork until then, with --preload, say; each side has its own loop."""
    program = """
import os, sys, threading
from fluxsync.bridges.loop import Loop
loop = Loop("test")
assert threading.active_count() == 1
child = os.fork()
ran = threading.Event()
loop.call(ran.set)
assert ran.wait(30)
assert threading.active_count() == 2
loop.stop()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
