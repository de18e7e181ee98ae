"""A worker's private socket, called as pages do."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import typing as t
from pathlib import Path

import pytest
import requests

from fluxsync.gateway.calls import CALL, CallListener
from fluxsync.process.state import StateDirectory
from fluxsync.upstream.calls import CALLS_URL, CALLS_VARIABLE, connect
from fluxsync.upstream.client import API_BASE_VARIABLE, ApiClient
from tests.support.http import Stream
from tests.support.processes import ROOT
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from fluxsync.typing import StartResponse, WSGIEnvironment


class Application:
    """Notes what it's asked; ``/wait`` is answered when the test says so."""

    def __init__(self) -> None:
        self.environs: list[WSGIEnvironment] = []
        self.go_on = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.environs.append(environ)
        if environ["PATH_INFO"] == "/api/wait":
            assert self.go_on.wait(20)
        if environ["PATH_INFO"] == "/api/broken":
            raise RuntimeError("broken")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"got ", body]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[StateDirectory]:
    # pytest's own directories have long names, and a socket's path is limited.
    with tempfile.TemporaryDirectory(prefix="fluxsync-") as base:
        made = StateDirectory(Path(base), "k")
        made.path.mkdir()
        monkeypatch.setenv(CALLS_VARIABLE, str(made.calls))
        monkeypatch.setenv(API_BASE_VARIABLE, f"{CALLS_URL}/api")
        yield made


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def listener(application: Application) -> t.Iterator[CallListener]:
    listener = CallListener(application, 20.0)
    yield listener
    listener.close()


@pytest.fixture
def client(state: StateDirectory) -> t.Iterator[ApiClient]:
    with ApiClient(timeout=20) as client:
        yield client


def test_call(
    state: StateDirectory, listener: CallListener, application: Application, client: ApiClient
) -> None:
    listener.open(state)
    response = client.post("/a%2Fb?c=d", data=b"hello")

    assert response.text == "got hello"
    [environ] = application.environs
    found = {name: environ[name] for name in ("RAW_URI", "HTTP_HOST", "REMOTE_ADDR", CALL)}
    assert found == {
        "RAW_URI": "/api/a%2Fb?c=d",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "",
        CALL: True,
    }
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", "80")


def test_nobody_else_can_call(state: StateDirectory, listener: CallListener) -> None:
    listener.open(state)
    [path] = state.calls.iterdir()

    assert stat.S_IMODE(state.calls.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_many_at_once(
    state: StateDirectory, listener: CallListener, application: Application, client: ApiClient
) -> None:
    """More than are answered at the same time."""
    listener.open(state)
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(client.get("/wait").text)) for _ in range(80)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(application.environs) == 64)
    application.go_on.set()
    for thread in threads:
        thread.join()

    assert texts == ["got "] * 80


def test_calls_outlive_the_end_of_their_worker(
    state: StateDirectory, listener: CallListener, application: Application, client: ApiClient
) -> None:
    """Those that are being answered, and others in the queue. Later ones find no worker."""
    listener.open(state)
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(client.get("/wait").text)) for _ in range(64)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(application.environs) == 64)
    with contextlib.ExitStack() as stack:
        queued = [stack.enter_context(connect(str(state.calls), 20)) for _ in range(6)]
        for sock in queued:
            sock.setblocking(True)
            sock.sendall(b"GET /api/wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        end = threading.Thread(target=listener.close)
        end.start()
        eventually(lambda: not list(state.calls.iterdir()))
        with pytest.raises(requests.ConnectionError, match="no gateway worker"):
            client.get("/", timeout=0.01)
        assert end.is_alive()
        application.go_on.set()
        heads = [Stream(sock).read_until(b"\r\n") for sock in queued]
    for thread in (*threads, end):
        thread.join()

    assert heads == [b"HTTP/1.1 200 OK"] * 6
    assert texts == ["got "] * 64
    assert [path.name for path in state.path.iterdir()] == ["calls"]


def test_end_does_not_wait_for_ever(
    state: StateDirectory, application: Application, client: ApiClient
) -> None:
    listener = CallListener(application, 0.01)
    listener.open(state)
    page = threading.Thread(target=lambda: client.get("/wait"))
    page.start()
    eventually(lambda: application.environs)
    listener.close()
    application.go_on.set()
    page.join()


def test_directory_that_was_removed(
    state: StateDirectory, listener: CallListener, client: ApiClient
) -> None:
    """By a supervisor at its end; the next one makes another."""
    listener.open(state)
    listener.open(state)
    assert len(list(state.calls.iterdir())) == 1
    shutil.rmtree(state.path)
    state.path.mkdir()
    listener.open(state)

    assert client.get("/").text == "got "
    calls = [thread for thread in threading.enumerate() if thread.name == "fluxsync-calls"]
    eventually(lambda: sum(thread.is_alive() for thread in calls) == 1)


def test_directory_that_is_gone(
    state: StateDirectory, listener: CallListener, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway goes on without."""
    shutil.rmtree(state.path)
    with caplog.at_level(logging.ERROR):
        listener.open(state)

    assert "pages can't reach the API: " in caplog.text


def test_application_that_fails(
    state: StateDirectory, listener: CallListener, client: ApiClient
) -> None:
    listener.open(state)

    assert client.get("/broken").status_code == 500
    assert client.get("/").text == "got "


def test_end_of_a_process(state: StateDirectory) -> None:
    """Its socket goes with it, and not with the end of one that it has forked."""
    program = (
        "import os, pathlib\n"
        "from fluxsync.gateway.calls import CallListener\n"
        "from fluxsync.process.state import StateDirectory\n"
        f"state = StateDirectory(pathlib.Path({str(state.path.parent)!r}), 'k')\n"
        "CallListener(lambda environ, start_response: [], 1.0).open(state)\n"
        "if not os.fork():\n"
        "    raise SystemExit\n"
        "os.wait()\n"
        "print(len(list(state.calls.iterdir())))\n"
    )
    # From Python 3.12 on, a fork with threads around is worth a warning.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (ended.stdout, ended.stderr) == ("1\n", "")
    assert list(state.calls.iterdir()) == []


def test_process_that_outlives_the_one_that_forked_it(state: StateDirectory) -> None:
    """A worker that was killed, with a child of ``multiprocessing``: nobody is to wait for it."""
    program = (
        "import os, pathlib, signal\n"
        "from fluxsync.gateway.calls import CallListener\n"
        "from fluxsync.process.state import StateDirectory\n"
        f"state = StateDirectory(pathlib.Path({str(state.path.parent)!r}), 'k')\n"
        "CallListener(lambda environ, start_response: [], 1.0).open(state)\n"
        "if not os.fork():\n"
        "    print('forked', flush=True)\n"
        "    os.read(0, 1)\n"
        "    os._exit(0)\n"
        "signal.pause()\n"
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "forked\n"
        worker.kill()
        worker.wait()
        with pytest.raises(ConnectionRefusedError, match="no gateway worker listens"):
            connect(str(state.calls), 0.0)


def test_long_path(tmp_path: Path, listener: CallListener) -> None:
    """Where there's room for the supervisor's socket, there's room for these."""
    with tempfile.TemporaryDirectory(prefix="fluxsync-") as base:
        room = 103 - len(f"{base}//k/supervisor.sock")
        deep = Path(base, "d" * room)
        state = StateDirectory(deep, "k")
        state.path.mkdir(parents=True)
        listener.open(state)
        [path] = state.calls.iterdir()
        assert len(os.fsencode(path)) <= len(os.fsencode(state.socket)) == 103
        with contextlib.closing(listener):
            assert path.is_socket()
