from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import typing as t
from pathlib import Path

import pytest

from fluxsync.process import compressor, replicas
from fluxsync.process import fleet as _fleet
from fluxsync.process.fleet import Fleet
from fluxsync.process.probes import Prober, Result
from fluxsync.process.spec import Spec
from fluxsync.sansio.supervision import Replica, State
from tests.support.processes import free_port
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import Deadline

#: Answers as Streamlit does, and reports its port.
SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
os.write(int(sys.argv[1]), b"%d\\n" % server.server_port)
server.serve_forever()
"""
SLEEP = "import time; time.sleep(600)"


class Asker(Prober):
    """Counts questions."""

    def __init__(self, report: t.Callable[[Result], None]) -> None:
        super().__init__(report)
        self.asked: list[tuple[int, ...]] = []

    def probe(self, replica: str, host: str, ports: tuple[int, ...]) -> None:
        self.asked.append(ports)
        super().probe(replica, host, ports)


class Loop:
    """A fleet, driven as the supervisor does it."""

    def __init__(self, spec: Spec) -> None:
        self.selector = selectors.DefaultSelector()
        self.results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self.prober = Asker(self.results.put)
        self.fleet = Fleet(spec, dict(os.environ), self.selector, self.prober)

    def turn(self) -> Replica:
        """Go round once, and return the first replica."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.fleet.answer(self.results.get_nowait())
        for key, _ in self.selector.select(0.01):
            key.data()
        self.fleet.step()
        return self.fleet.replicas["r1"]

    def until(self, state: State) -> Replica:
        deadline = Deadline(20)
        while (replica := self.turn()).state is not state:
            assert not deadline.expired, replica
        return replica

    def stop(self) -> None:
        self.fleet.stop()
        while not self.fleet.is_stopped:
            self.turn()
        self.prober.stop()
        self.selector.close()


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[..., Loop]]:
    loops: list[Loop] = []

    def start(text: str = "", **fields: t.Any) -> Loop:
        (tmp_path / "child.py").write_text(text)
        monkeypatch.setattr(replicas, "_CHILD", tmp_path / "child.py")
        values = {"name": "x", "directory": str(tmp_path), "arguments": ("script.py",), **fields}
        loops.append(Loop(Spec(**values)))
        return loops[-1]

    yield start
    for loop in loops:
        loop.stop()


def test_start_and_stop(loop: t.Callable[..., Loop]) -> None:
    one = loop(SERVER)
    assert one.fleet.starting_for() is None
    one.until(State.STARTING)
    assert 0 <= (one.fleet.starting_for() or 0) < 60
    assert one.fleet.starting_for() is not None
    replica = one.until(State.RUNNING)
    assert one.fleet.starting_for() is None
    assert (replica.healthy, replica.starts) == (True, 1)
    assert replica.port is not None
    assert one.fleet.table().ready
    one.fleet.stop()
    one.until(State.STOPPED)
    assert one.fleet.is_stopped
    assert not one.fleet.table().ready
    assert one.selector.get_map() == {}


def test_renewal(loop: t.Callable[..., Loop]) -> None:
    """Another process takes over, and the old one's end is no crash; twice is once."""
    one = loop(SERVER)
    old = one.until(State.RUNNING)
    one.fleet.renew()
    one.fleet.renew()
    assert one.fleet.replicas["r1"].state is State.STOPPING
    new = one.until(State.RUNNING)
    assert (new.starts, new.crashes) == (2, ())
    assert new.pid != old.pid


def test_renewal_of_what_was_given_up(loop: t.Callable[..., Loop], tmp_path: Path) -> None:
    one = loop("import sys; sys.exit(2)")
    one.until(State.FATAL)
    (tmp_path / "child.py").write_text(SERVER)
    one.fleet.renew()
    assert one.until(State.RUNNING).starts == 2


def test_renewal_of_somebody_elses(loop: t.Callable[..., Loop]) -> None:
    one = loop(arguments=(), upstreams=("127.0.0.1:9",))
    one.turn()
    before = one.fleet.replicas["r1"]
    one.fleet.renew()
    assert one.turn().starts == before.starts == 1


def test_frontend_files(
    loop: t.Callable[..., Loop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers get to know whose they are; they're compressed once it runs, and once only."""
    program = tmp_path / "program.py"
    program.write_text("import sys; open('ran', 'a').write(' '.join(sys.argv[1:]))")
    monkeypatch.setattr(compressor, "_PROGRAM", program)
    one = loop(SERVER.replace('b"%d\\n"', 'b"%d\\n9.9 5a /static\\n"'), cache_dirs=("/a", "/b"))
    first = one.until(State.RUNNING)
    assert one.fleet.table().rows[0].frontend == first.frontend == "9.9 5a /static"
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    one.until(State.BACKOFF)
    one.until(State.RUNNING)
    while one.fleet._compressor.is_running:
        one.turn()
    assert (tmp_path / "ran").read_text() == "/a /b"


def test_compressor_ends_too(
    loop: t.Callable[..., Loop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(SLEEP)
    monkeypatch.setattr(compressor, "_PROGRAM", program)
    one = loop(SERVER.replace('b"%d\\n"', 'b"%d\\nx\\n"'))
    one.until(State.RUNNING)
    with monkeypatch.context() as patch:
        patch.setattr(compressor.Compressor, "stop", lambda _: None)
        one.fleet.stop()
        one.until(State.STOPPED)
        assert not one.fleet.is_stopped
    one.fleet.stop()
    while not one.fleet.is_stopped:
        one.turn()
    # The leak detector sees whether that's true.


def test_crash_and_restart(loop: t.Callable[..., Loop]) -> None:
    one = loop(SERVER)
    first = one.until(State.RUNNING)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    assert one.until(State.BACKOFF).reason == "ended by signal 9"
    second = one.until(State.RUNNING)
    assert second.pid != first.pid
    assert (second.starts, second.reason) == (2, "")
    assert not one.fleet.has_given_up


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    [
        pytest.param("import sys; sys.exit('no such option')", {}, None, id="may pass"),
        pytest.param(
            "import sys; print('no such option'); sys.exit(2)",
            {},
            "exit code 2\nno such option",
            id="usage",
        ),
    ],
)
def test_failure(
    text: str,
    fields: dict[str, t.Any],
    reason: str | None,
    loop: t.Callable[..., Loop],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong command line is given up at once, and tried again only when asked to."""
    monkeypatch.setattr(_fleet, "_RETRY_AFTER", 3600.0)
    one = loop(text, **fields)
    if reason is None:
        assert one.until(State.BACKOFF).reason == "exit code 1\nno such option"
        assert not one.fleet.has_given_up
        return
    assert one.until(State.FATAL).reason == reason
    assert one.fleet.has_given_up
    one.fleet.retry()
    assert one.turn().starts == 1  # too early: those who started together ask together
    monkeypatch.setattr(_fleet, "_RETRY_AFTER", -1.0)
    one.fleet.retry()
    assert one.turn().starts == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"directory": "/no/such"}, "No such file or directory", id="directory"),
        pytest.param({"arguments": ("a\0b",)}, "embedded null byte", id="zero byte"),
    ],
)
def test_process_that_cannot_be_started(
    fields: dict[str, t.Any], reason: str, loop: t.Callable[..., Loop]
) -> None:
    """It's like one that ended at once."""
    replica = loop(SERVER, **fields).until(State.BACKOFF)
    assert replica.reason.startswith("can't start a process: ")
    assert reason in replica.reason


def test_silent_start(loop: t.Callable[..., Loop]) -> None:
    """It's killed, and the reason names the setting."""
    replica = loop(SLEEP, start_timeout=0.3).until(State.BACKOFF)
    limit = "did not answer in time (streamlit_start_timeout_s=0.3)"
    assert replica.reason == f"{limit}; ended by signal 9"


def test_process_that_will_not_stop(loop: t.Callable[..., Loop]) -> None:
    one = loop(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER,
        graceful_timeout=0.2,
    )
    one.until(State.RUNNING)
    one.fleet.stop()
    assert one.until(State.STOPPED).reason == "ended by signal 9"


def test_server_of_somebody_else(loop: t.Callable[..., Loop], upstream: FakeStreamlit) -> None:
    one = loop(arguments=(), upstreams=(f"127.0.0.1:{upstream.port}",))
    replica = one.until(State.RUNNING)
    assert (replica.pid, replica.port) == (None, upstream.port)


def test_server_that_is_not_there(loop: t.Callable[..., Loop]) -> None:
    """One question after the other, however long the answers take."""
    one = loop(arguments=(), upstreams=(f"127.0.0.1:{free_port()}",))
    answered = 0
    while answered < 3:
        one.turn()
        answered = one.fleet.replicas["r1"].misses
        assert len(one.prober.asked) - answered <= 1
    assert one.turn().state is State.STARTING


def test_answers_that_come_too_late(loop: t.Callable[..., Loop]) -> None:
    """They were another process's, or another fleet's."""
    one = loop(SERVER)
    replica = one.until(State.RUNNING)
    assert replica.port is not None
    one.fleet.answer(Result("r1", replica.port + 1))
    one.fleet.answer(Result("r7", 1))
    assert one.fleet.replicas["r1"].port == replica.port


def test_version_of_the_table(loop: t.Callable[..., Loop]) -> None:
    """It grows with each change that workers are to know, and with nothing else."""
    one = loop(SERVER)
    one.until(State.RUNNING)
    version = one.fleet.table().version
    port = one.fleet.replicas["r1"].port
    for _ in range(3):
        one.fleet.answer(Result("r1", port))
        one.turn()
    assert one.fleet.table().version == version
    one.fleet.stop()
    assert one.fleet.table().version > version
