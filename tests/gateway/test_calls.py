"""A worker's private socket, called as pages do."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import typing as t
from pathlib import Path

import pytest
import requests
from urllib3.connection import HTTPConnection

from fluxsync.gateway import answering
from fluxsync.gateway.calls import CALL, CallListener
from fluxsync.process.state import StateDirectory
from fluxsync.upstream.calls import CALLS_URL, CALLS_VARIABLE, connect
from fluxsync.upstream.client import API_BASE_VARIABLE, ApiClient
from fluxsync.upstream.ways import Offer, Way
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
        unread = environ["PATH_INFO"] == "/api/unread"
        body = b"" if unread else environ["wsgi.input"].read()
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


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep idle connections for as long as a busy machine takes to use them again."""
    monkeypatch.setattr(answering, "IDLE", 3600.0)


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


def test_long_query(
    state: StateDirectory, listener: CallListener, application: Application, client: ApiClient
) -> None:
    """gunicorn takes 4094 bytes of a request line if it isn't told otherwise."""
    listener.open(state)
    assert client.get("/a", params={"id": "9" * 50000}).status_code == 200
    assert application.environs[0]["QUERY_STRING"] == f"id={'9' * 50000}"


def test_connections_are_kept(
    state: StateDirectory, listener: CallListener, application: Application, client: ApiClient
) -> None:
    """Also after a body that the application didn't read."""
    listener.open(state)
    for method, path in (("GET", "/a"), ("POST", "/b"), ("POST", "/unread"), ("GET", "/c")):
        assert client.request(method, path, data=b"x" * 5000).status_code == 200
    assert len(calls_of(listener)) == 1

    client.close()
    eventually(lambda: not calls_of(listener))


def test_worker_that_ends_takes_no_calls_along(
    state: StateDirectory, application: Application, client: ApiClient
) -> None:
    """A kept connection is closed at once, and what's sent on it then goes to another worker."""
    first, second = CallListener(application, 20.0), CallListener(application, 20.0)
    first.open(state)
    assert client.get("/a").text == "got "
    [sock] = [conversation._sock for conversation in calls_of(first)]
    second.open(state)
    # As in the moment between the client's look at the connection and its request.
    sock.shutdown(socket.SHUT_RD)
    assert client.post("/b", data=b"once").text == "got once"
    first.close()
    with contextlib.closing(second):
        assert client.post("/c", data=b"more").text == "got more"
        client.close()

    paths = [environ["PATH_INFO"] for environ in application.environs]
    assert paths == ["/api/a", "/api/b", "/api/c"]


def test_worker_that_ends_within_a_request(
    state: StateDirectory,
    listener: CallListener,
    application: Application,
    client: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its head has come and its body hasn't: it's sent again, and comes once."""
    listener.open(state)
    assert client.get("/a").text == "got "
    [conversation] = calls_of(listener)
    # The head isn't seen, as if it came right afterwards.
    monkeypatch.setattr(fcntl, "ioctl", lambda *args: 0)
    send, ends = HTTPConnection.send, iter([conversation])

    def end_after(connection: HTTPConnection, data: bytes) -> None:
        ending = next(ends, None)
        with contextlib.nullcontext() if ending is None else ending._lock:
            send(connection, data)
            if ending is not None:
                ending._hear_no_more()

    monkeypatch.setattr(HTTPConnection, "send", end_after)
    assert client.post("/b", data=b"x" * 50000).text == f"got {'x' * 50000}"

    paths = [environ["PATH_INFO"] for environ in application.environs]
    assert paths == ["/api/a", "/api/b"]


def test_idle_connection_is_closed(
    state: StateDirectory,
    listener: CallListener,
    application: Application,
    client: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hurry(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Now the first request is here, for which there's as much time.
        patch.setattr(answering, "IDLE", 0.01)
        return application(environ, start_response)

    with monkeypatch.context() as patch:
        patch.setattr(listener, "_gateway", hurry)
        listener.open(state)
        assert client.get("/a").text == "got "
        eventually(lambda: not calls_of(listener))

    assert client.post("/b", data=b"x").text == "got x"


@pytest.mark.parametrize("path", ["/a", "/unread"])
def test_end_does_not_wait_for_kept_connections(
    state: StateDirectory,
    application: Application,
    client: ApiClient,
    path: str,
) -> None:
    listener = CallListener(application, 20.0)
    listener.open(state)
    assert client.post(path, data=b"x" * 200000).status_code == 200
    assert calls_of(listener)
    listener.close()

    assert not calls_of(listener)


def test_kept_connections_leave_room(state: StateDirectory, listener: CallListener) -> None:
    """For other processes: of many that are open, not all are kept."""
    listener.open(state)
    with contextlib.ExitStack() as stack:
        heads = []
        for _ in range(40):
            sock = stack.enter_context(contextlib.closing(connect(str(state.calls), 20)))
            sock.setblocking(True)
            sock.sendall(b"GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n")
            heads.append(Stream(sock).read_until(b"\r\n\r\n") or b"")

    kept = [b"connection: close" not in head.lower() for head in heads]
    assert kept[:32] == [True] * 32
    assert not kept[32]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"nonsense\r\n\r\n", id="no request"),
        pytest.param(
            b"POST /api/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="two lengths",
        ),
    ],
)
def test_request_that_is_refused(
    state: StateDirectory,
    listener: CallListener,
    application: Application,
    request_: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener.open(state)
    with contextlib.closing(connect(str(state.calls), 20)) as sock:
        sock.setblocking(True)
        sock.sendall(request_)
        assert Stream(sock).read_until(b"\r\n") == b"HTTP/1.1 400 Bad Request"

    assert "call of a page refused" in caplog.text
    assert not application.environs


def test_claims_are_not_believed(
    state: StateDirectory, listener: CallListener, application: Application, client: ApiClient
) -> None:
    """gunicorn believes who connects to a Unix socket; here, everybody does."""
    listener.open(state)
    client.get("/", headers={"X-Forwarded-Proto": "https", "Script-Name": "/x", "Remote-User": "a"})

    [environ] = application.environs
    assert (environ["wsgi.url_scheme"], environ["SCRIPT_NAME"]) == ("http", "")
    assert "REMOTE_USER" not in environ


def test_chunks(
    state: StateDirectory, listener: CallListener, application: Application, client: ApiClient
) -> None:
    listener.open(state)
    response = client.post("/chunks", data=iter([b"a", b"b"]))

    assert response.text == "got ab"


def test_own_calls(
    state: StateDirectory, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code in the worker's process needs to know nothing, not even an environment variable."""
    monkeypatch.delenv(API_BASE_VARIABLE)
    monkeypatch.delenv(CALLS_VARIABLE)
    offer = Offer("http://127.0.0.1:9/v1", private=True)
    with contextlib.closing(CallListener(application, 20.0, offer)) as listener:
        listener.open(state)
        with ApiClient() as client, ApiClient.on_way(offer.way) as mine:
            assert client.base_url == "http://127.0.0.1:9/v1"
            assert client.get("/a").text == mine.get("/b").text == "got "
            other = Offer("http://127.0.0.1:9/v2", private=False)
            with pytest.raises(requests.ConnectionError, match="several applications"):
                client.get("/c")
            assert mine.get("/d").text == "got "
            assert other.way() == Way("http://127.0.0.1:9/v2")
            other.withdraw()

    paths = [environ["PATH_INFO"] for environ in application.environs]
    assert paths == ["/v1/a", "/v1/b", "/v1/d"]


def test_application_that_is_still_loaded(
    state: StateDirectory, application: Application, client: ApiClient
) -> None:
    """Nobody finds it before it has all of its routes."""
    with contextlib.closing(CallListener(application, 20.0, is_held=True)) as listener:
        listener.open(state)
        listener.open(state)
        with pytest.raises(requests.ConnectionError, match="no gateway worker"):
            client.get("/", timeout=0.01)
        listener.release()
        listener.release()
        assert client.get("/").text == "got "
        client.close()

    assert [path.name for path in state.path.iterdir()] == ["calls"]


def calls_of(listener: CallListener) -> list[answering.Conversation]:
    """Return the conversations that are open."""
    assert listener._open is not None
    return list(listener._open._conversations.values())


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
