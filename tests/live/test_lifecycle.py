"""Whatever is killed, nothing is left behind, and what is still wanted comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import typing as t
from pathlib import Path

import psutil
import pytest

from fluxsync.process import wire
from tests.conftest import StartServer
from tests.live.served import Application
from tests.support.processes import descendants, is_alive
from tests.support.waiting import eventually

pytestmark = [pytest.mark.live_server, pytest.mark.streamlit]

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]


@pytest.fixture(scope="module")
def shared() -> t.Iterator[Application]:
    """An application that survives all that is done to it here."""
    server = Application(args=("--workers", "2"))
    server.shared = True
    with server:
        yield server


def processes(server: Application, kind: str) -> list[psutil.Process]:
    """Return the server's processes of a kind, as soon as there are any."""
    finders: dict[str, t.Callable[[], list[psutil.Process]]] = {
        "master": lambda: [psutil.Process(server.pid)],
        "worker": lambda: [p for p in descendants(server.pid) if "gunicorn" in p.cmdline()],
        "supervisor": server.supervisors,
        "streamlit": server.streamlits,
    }

    def found() -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a launcher lives for a moment only
            return finders[kind]()
        return []

    return eventually(found, 20, lambda: f"a {kind}\n{server.output}")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("kind", ["worker", "supervisor", "streamlit"])
def test_process_that_is_wanted_comes_back(
    kind: str, number: signal.Signals, shared: Application
) -> None:
    """There is one supervisor and one Streamlit again, and the API has never been away."""
    shared.wait_ready()
    # One that gets a signal before it has handlers of its own loses it.
    eventually(lambda: len(shared.workers()) == 2, 20, "both workers")
    before = set(processes(shared, kind))
    for process in before:
        process.send_signal(number)
    if kind != "worker":
        assert shared.get("/api/pid").status == 200
    eventually(lambda: not any(map(is_alive, before)), 20, f"the end of the {kind}")

    def others() -> set[psutil.Process]:
        found = set(processes(shared, kind)) - before
        return found if len(found) == len(before) else set()

    eventually(others, 30, lambda: f"another {kind}\n{shared.output}")
    shared.wait_ready()
    eventually(lambda: len(shared.workers()) == 2, 10, "both workers")
    assert [p.pid for p in shared.supervisors()] == [shared.status()["pid"]]
    assert [p.pid for p in shared.streamlits()] == [shared.status()["replicas"][0]["pid"]]


@pytest.mark.parametrize("number", SIGNALS)
def test_end_of_the_master(number: signal.Signals, serve: StartServer) -> None:
    """The end itself is checked with every server; see :meth:`Application.wait_gone`."""
    server = Application(args=("--workers", "2"))
    serve(server)
    assert len(server.streamlits()) == 1
    code = server.stop(number)
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 0)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("youngest", ["master", "worker", "supervisor", "streamlit"])
def test_end_of_the_master_during_the_start(
    youngest: str, number: signal.Signals, start: t.Callable[[Application], Application]
) -> None:
    """Whatever exists when it comes."""
    # A worker that gets SIGTERM before it has handlers of its own stays until then.
    server = start(Application(args=("--workers", "2", "--graceful-timeout", "3")))
    processes(server, youngest)
    server.send_signal(number)
    server.wait()
    server.wait_gone()


@pytest.mark.parametrize("kind", ["worker", "supervisor", "streamlit"])
def test_killed_during_the_start(kind: str, start: t.Callable[[Application], Application]) -> None:
    """It starts all the same."""
    server = start(Application(args=("--workers", "2")))
    for process in processes(server, kind):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    server.find_port()
    server.wait_ready()
    assert len(server.streamlits()) == 1
    # The other worker may have tried to start one, too.
    eventually(lambda: len(server.supervisors()) == 1)
    server.stop()


@pytest.fixture
def start() -> t.Iterator[t.Callable[[Application], Application]]:
    """Start servers without waiting for anything."""
    with contextlib.ExitStack() as stack:

        def begin(server: Application) -> Application:
            stack.callback(server.close)
            server.begin()
            return server

        yield begin


def test_killed_all_at_once(tmp_path: Path) -> None:
    """Nobody is left to tidy up; the next server does."""
    env = {"FLUXSYNC_STATE_DIR": str(tmp_path)}
    first = Application(env=env)
    first.state_base = tmp_path
    with first:
        (stale,) = first.states()
        # They would take note of each other's end. What has ended with another one, such as the
        # compression of frontend files, isn't there any more.
        everyone = first.processes()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        first.kill_all()
        assert sorted(path.name for path in stale.path.iterdir()) == [
            "calls",
            "lock",
            "supervisor.json",
            "supervisor.sock",
        ]
        second = Application(env=env)
        second.state_base = tmp_path
        with second:
            assert not stale.path.exists()
            assert len(second.states()) == 1


def test_upgrade_of_gunicorn(serve: StartServer) -> None:
    """After USR2 there are two masters with a Streamlit each, and each can end alone."""
    server = Application(args=("--workers", "1", "--preload"))
    # Executed anew, python -m would import gunicorn's modules in place of others.
    script = str(Path(sys.executable).with_name("gunicorn"))
    server.args = (sys.executable, script, *server.args[server.args.index("gunicorn") + 1 :])
    serve(server)
    (old,) = server.streamlits()
    server.send_signal(signal.SIGUSR2)
    eventually(lambda: len(server.streamlits()) == 2, 30, lambda: f"two\n{server.output}")
    (new,) = (process for process in server.streamlits() if process != old)
    (master,) = (p for p in psutil.Process(server.pid).children() if p.children())
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    eventually(lambda: server.streamlits() == [new], 20, "the end of the old one")
    eventually(lambda: server.get("/readyz").status == 200, 30, "readiness")
    assert server.get("/api/pid").status == 200
    master.terminate()
    server.wait_gone()


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", False, id="HTTP"),
        pytest.param(bytes(1000), False, id="zeros"),
        pytest.param(struct.pack("!II", 1 << 31, 0), False, id="large"),
        pytest.param(struct.pack("!II", 200_000, 0) + b"[" * 200_000, False, id="deep"),
        pytest.param(wire.encode({}), False, id="no type"),
        pytest.param(wire.encode({"type": ["status"]}), False, id="odd type"),
        pytest.param(wire.encode({"type": "hello"}), False, id="no spec"),
        pytest.param(wire.encode({"type": "hello", "pid": 1, "spec": 1}), False, id="odd spec"),
        pytest.param(
            wire.encode({"type": "hello", "pid": 1, "spec": {"name": 1, "replicas": "x"}}),
            False,
            id="odd fields",
        ),
        pytest.param(wire.encode({"type": "websocket"}, files=1), False, id="no session"),
        pytest.param(
            wire.encode(
                {"type": "websocket", "split": 0, "session": {"id": "", "replica": ""}}, files=1
            ),
            False,
            id="one file",
        ),
        pytest.param(wire.encode({"type": "status"}, files=1), True, id="file of no use"),
        pytest.param(wire.encode({"type": "status"})[:5], None, id="incomplete"),
    ],
)
def test_message_that_is_none(data: bytes, answered: bool | None, shared: Application) -> None:
    """Whoever sends it is cut off, and nobody else is troubled."""
    supervisor, streamlit = shared.supervisor(), shared.streamlit()
    eventually(lambda: len(shared.workers()) == 2, 10, "both workers")
    files = supervisor.num_fds()
    with socket.socket(socket.AF_UNIX) as sock, open(os.devnull) as file:
        sock.connect(str(shared.states()[0].socket))
        rights = struct.pack("i", file.fileno())
        with contextlib.suppress(BrokenPipeError):
            sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        if answered is not None:
            sock.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                assert bool(sock.recv(1)) is answered
    eventually(lambda: supervisor.num_fds() <= files, 10, "closed files")
    assert shared.supervisors() == [supervisor]
    assert shared.streamlits() == [streamlit]
    assert len(shared.workers()) == 2


def test_many_that_say_nothing(shared: Application) -> None:
    """They keep nobody from being served."""
    supervisor = shared.supervisor()
    files = supervisor.num_fds()
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(shared.states()[0].socket))
        assert shared.status()["pid"] == supervisor.pid
    eventually(lambda: supervisor.num_fds() <= files, 10, "closed files")
