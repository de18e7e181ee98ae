"""A worker's line, with a supervisor of the test's own at the other end."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import typing as t
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as threads

import pytest

from fluxsync.exceptions import SupervisorError
from fluxsync.process import client as module
from fluxsync.process import launch, wire
from fluxsync.process.client import SupervisorClient
from fluxsync.process.launch import ask, connect
from fluxsync.process.lifetime import Anchor
from fluxsync.process.spec import Spec
from fluxsync.process.state import StateDirectory
from fluxsync.sansio.admission import Full
from fluxsync.sansio.balancing import Row, Table
from fluxsync.sansio.supervision import State
from tests.support.waiting import eventually

TABLE = Table(1, (Row("r1", State.RUNNING, "127.0.0.1", 8501, True, ""),))


class Supervisor:
    """Accepts one worker after the other."""

    def __init__(self, state: StateDirectory) -> None:
        state.path.mkdir(parents=True, exist_ok=True)
        self._path = os.fspath(state.socket)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self._path)
        self.listener.listen()
        self.listener.settimeout(20)

    def accept(self) -> socket.socket:
        """Return a worker's connection after its first message."""
        sock, _ = self.listener.accept()
        sock.settimeout(20)
        messages = wire.Receiver().receive(sock) or []
        assert [(m.data["type"], m.data["pid"]) for m in messages] == [("hello", os.getpid())]
        return sock

    def close(self) -> None:
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


def send_table(sock: socket.socket, table: Table = TABLE) -> None:
    wire.send(sock, {"type": "table", "table": table.to_json()})


class Switch(Anchor):
    """An anchor that the test ends."""

    ended = False

    def is_alive(self) -> bool:
        return not self.ended


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path, "k")


@pytest.fixture
def supervisor(state: StateDirectory) -> t.Iterator[Supervisor]:
    with contextlib.closing(Supervisor(state)) as supervisor:
        yield supervisor


@pytest.fixture
def client(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[SupervisorClient]:
    """One that starts nothing, and whose thread ends with the test."""
    monkeypatch.setattr(module, "launch", lambda *args: None)
    monkeypatch.setattr(module, "_RETRY_LATER", 0.1)
    monkeypatch.setattr(module, "_FIRST_TABLE", 0.05)
    monkeypatch.setattr(module, "_ASK", 20.0)
    anchor = Switch(os.getpid())
    yield SupervisorClient(lambda: state, Spec(name="x", directory="/"), anchor)
    anchor.ended = True
    eventually(lambda: not any(thread.name.startswith("fluxsync-") for thread in threads()))


def test_table(client: SupervisorClient, supervisor: Supervisor) -> None:
    """It comes with the connection, and goes with it."""
    client.start()
    client.start()
    assert client.table == Table()
    with supervisor.accept() as sock:
        send_table(sock)
        eventually(lambda: client.table == TABLE)
        sock.sendall(wire.encode({"type": "of a later version"}))
        send_table(sock, Table(2, TABLE.rows))
        eventually(lambda: client.table.version == 2)
    eventually(lambda: client.table == Table())
    with supervisor.accept() as sock:
        send_table(sock)
        eventually(lambda: client.table == TABLE)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="no message"),
        pytest.param(wire.encode({"type": "table"}), id="no table"),
        pytest.param(wire.encode({"type": "table", "table": {"rows": 1}}), id="no rows"),
    ],
)
def test_supervisor_that_cannot_be_understood(
    data: bytes, client: SupervisorClient, supervisor: Supervisor
) -> None:
    """The line is made anew, as the next one may be understood."""
    client.start()
    with supervisor.accept() as sock:
        sock.sendall(data)
        with supervisor.accept() as other:
            send_table(other)
            eventually(lambda: client.table == TABLE)


def test_who_is_refused(client: SupervisorClient, supervisor: Supervisor) -> None:
    """The supervisor tells its workers; without one, they don't know."""
    client.start()
    with supervisor.accept() as sock:
        wire.send(sock, {"type": "full", "full": Full(total=True).to_json()})
        eventually(lambda: client.full == Full(total=True))
        supervisor.close()
    eventually(lambda: client.full == Full())


def test_last_report_of_a_process_that_ends_at_once(
    client: SupervisorClient, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has answered requests, and isn't connected yet."""
    monkeypatch.setattr(module, "_FIRST_TABLE", 60.0)
    monkeypatch.setattr(module, "_REPORT_EVERY", 60.0)
    counted: dict[str, list[int]] = {"figures": []}
    client.report = lambda: counted
    client.start()
    client.send_last_report()  # and waits for nobody, as there's nothing to say
    counted["figures"] = [7]
    ending = Thread(target=client.send_last_report)
    ending.start()
    said: list[object] = []
    with contextlib.closing(Supervisor(state)) as supervisor:
        sock, _ = supervisor.listener.accept()
        with sock:
            sock.settimeout(20)
            send_table(sock)
            receiver = wire.Receiver()
            while len(said) < 3:
                said += [m.data.get("figures") for m in receiver.receive(sock) or ()]
            ending.join(20)
    # The second one is the usual one, with which a connection begins.
    assert said == [None, [7], [7]]
    assert not ending.is_alive()


def test_reports_do_not_overtake_each_other(
    client: SupervisorClient, state: StateDirectory
) -> None:
    """The supervisor keeps the last one, so that has to be the one with the most."""
    numbers = itertools.count()
    first, second = Event(), Event()

    def report() -> dict[str, t.Any]:
        number = next(numbers)
        if number == 0:
            first.set()
            # In vain, if the other one waits for its turn.
            second.wait(0.2)
        else:
            second.set()
        return {"figures": [number]}

    with contextlib.closing(Supervisor(state)) as supervisor:
        client.report = report
        client.start()
        sock, _ = supervisor.listener.accept()
        with sock:
            sock.settimeout(20)
            assert first.wait(20)
            client.send_report()
            receiver = wire.Receiver()
            said: list[object] = []
            while len(said) < 3:
                said += [m.data.get("figures") for m in receiver.receive(sock) or ()]
    assert said == [None, [0], [1]]


def test_hand_over(client: SupervisorClient, supervisor: Supervisor) -> None:
    client.start()
    with supervisor.accept() as sock:
        send_table(sock)
        eventually(lambda: client.table.ready)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            files = (ours.fileno(), theirs.fileno())
            client.hand_over({"type": "websocket", "split": 3}, b"101early", files)
            (message,) = wire.Receiver().receive(sock) or [wire.Message({})]
            assert message.data == {"type": "websocket", "split": 3}
            assert message.payload == b"101early"
            inodes = [os.fstat(file).st_ino for file in message.files]
            assert inodes == [os.fstat(file).st_ino for file in files]
            message.close()


def test_hand_over_to_nobody(client: SupervisorClient, supervisor: Supervisor) -> None:
    """The caller keeps the sockets, and may do without."""
    client.start()
    with supervisor.accept() as sock:
        send_table(sock)
        eventually(lambda: client.table.ready)
        supervisor.close()
    eventually(lambda: not client.table.ready)
    with pytest.raises(SupervisorError, match="there is no supervisor at the moment"):
        client.hand_over({}, b"", (0, 1))


def test_hand_over_to_one_that_is_stopped(
    client: SupervisorClient, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as gone when it takes nothing for some time."""
    monkeypatch.setattr(launch, "SEND_TIMEOUT", 0.1)
    client.start()
    with supervisor.accept() as sock:
        send_table(sock)
        eventually(lambda: client.table.ready)
        with pytest.raises(SupervisorError, match="takes nothing over: timed out"):
            client.hand_over({}, bytes(10_000_000), (0, 1))
        with pytest.raises(SupervisorError):
            client.hand_over({}, b"", (0, 1))


def test_supervisor_that_cannot_be_started(client: SupervisorClient, state: StateDirectory) -> None:
    """The table says why, for the page; when it can, all is well."""
    state.path.write_text("in the way")
    client.start()
    (row,) = eventually(lambda: client.table.rows)
    assert (row.id, row.state) == ("supervisor", State.FATAL)
    assert "can't write the state directory" in row.reason
    assert not client.table.ready
    state.path.unlink()
    with contextlib.closing(Supervisor(state)) as supervisor, supervisor.accept() as sock:
        send_table(sock)
        eventually(lambda: client.table == TABLE)


def test_supervisor_that_does_not_stay(client: SupervisorClient) -> None:
    """After some tries, the page says so instead of ``starting``."""
    client.start()
    (row,) = eventually(lambda: client.table.rows)
    assert row.reason == "the supervisor ends soon after its start; the log says why"


def test_process_that_forks(client: SupervisorClient, supervisor: Supervisor) -> None:
    """A child has a line of its own, if it wants one."""
    client.start()
    with supervisor.accept() as sock:
        send_table(sock)
        eventually(lambda: client.table.ready)
        child = os.fork()
        if not child:
            client.start()
            os._exit(0 if client.table == Table() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert client.table.ready


def test_ask(state: StateDirectory, supervisor: Supervisor) -> None:
    assert ask(StateDirectory(state.path.parent, "other"), "status") is None
    assert ask(state, "status", timeout=0.05) is None
    sock, _ = supervisor.listener.accept()
    sock.close()
    connection = connect(state)
    assert connection is not None
    connection.close()


def test_table_that_was_not_read_yet(client: SupervisorClient, supervisor: Supervisor) -> None:
    """Who can't be served asks the supervisor, who may have told another worker meanwhile."""
    starting = Table(1, (Row("r1", State.STARTING, "127.0.0.1", None, False, ""),))
    client.start()
    with supervisor.accept() as worker:
        send_table(worker, starting)
        eventually(lambda: client.table == starting)

        def answer() -> None:
            sock, _ = supervisor.listener.accept()
            with sock:
                (message,) = wire.Receiver().receive(sock) or []
                assert message.data == {"type": "table"}
                send_table(sock)

        thread = Thread(target=answer)
        thread.start()
        assert client.serving_table() == TABLE
        thread.join()
        send_table(worker)
        eventually(lambda: client.table == TABLE)
        assert client.serving_table() == TABLE
    supervisor.close()
    eventually(lambda: client.table == Table())
    assert client.serving_table() == Table()
