"""``fluxsync run``, ``status`` and ``shutdown``, as a person at a terminal uses them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import StartServer
from tests.live.served import APP, Application, Fluxsync
from tests.support import websocket
from tests.support.processes import PYTHON, environment, free_port
from tests.support.tunnel import Tunnel
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import FACTOR, eventually

pytestmark = pytest.mark.live_server


def call(server: Application, *args: str) -> subprocess.CompletedProcess[str]:
    """Run another command of the same person in the same directory."""
    return subprocess.run(
        [*PYTHON, "-m", "fluxsync", *args],
        env=environment(server.env),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60 * FACTOR,
    )


@pytest.fixture
def run(serve: StartServer, upstream: FakeStreamlit) -> t.Callable[..., Fluxsync]:
    """Start ``fluxsync run`` in front of :func:`upstream`."""

    def start(*args: str) -> Fluxsync:
        env = {"FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url}
        server = Fluxsync("run", *args, env=env)
        serve(server)
        return server

    return start


@pytest.mark.streamlit
@pytest.mark.parametrize("args", [("run",), ("run", "--preload"), ("dev",)], ids=" ".join)
def test_control_c(args: tuple[str, ...], serve: StartServer) -> None:
    """Everything has ended when the command returns, and nothing complains."""
    server = Fluxsync(*args)
    serve(server)
    assert server.get("/api/pid").status == 200
    server.interrupt()
    assert server.wait() == 0
    assert server.processes() == []
    assert server.states() == []
    assert "Traceback" not in server.output
    assert "Aborted" not in server.output


def test_control_c_twice(run: t.Callable[..., Fluxsync]) -> None:
    """Somebody is impatient; it still ends in order."""
    server = run()
    server.interrupt()
    server.interrupt()
    assert server.wait() == 0
    assert server.processes() == []
    assert server.states() == []


@pytest.mark.streamlit
def test_status_and_shutdown(serve: StartServer) -> None:
    server = Fluxsync("run", "--workers", "2")
    serve(server)
    eventually(lambda: len(server.workers()) == 2, 20, "both workers")
    (streamlit,) = server.streamlits()
    (supervisor,) = server.supervisors()

    as_json = call(server, "status", "--json")
    assert as_json.returncode == 0
    (status,) = json.loads(as_json.stdout)
    assert status["name"] == "app:app"
    assert status["url"] == f"http://127.0.0.1:{server.port}"
    assert status["directory"] == str(server.directory)
    assert (status["anchor"], status["pid"]) == (server.pid, supervisor.pid)
    assert status["workers"] == sorted(server.workers())
    (replica,) = status["replicas"]
    assert (replica["state"], replica["pid"]) == ("RUNNING", streamlit.pid)

    table = call(server, "status")
    assert table.returncode == 0
    assert f"server {server.pid}, workers {status['workers'][0]}, " in table.stdout
    row = rf"^  r1 +RUNNING +{streamlit.pid} +{re.escape(replica['address'])} +\d+ +1 +0$"
    assert re.search(row, table.stdout, re.MULTILINE), table.stdout
    assert "tunnels" not in table.stdout
    with Tunnel(server.port) as page, Tunnel(server.port) as other:
        assert page.open(transport="stream").status == 200
        assert other.open(transport="short-poll", reason="").status == 200
        table = call(server, "status")
    expected = "  tunnels: 1 short-poll, 1 stream (setting 1, websocket-refused 1)\n"
    assert expected in table.stdout

    shutdown = call(server, "shutdown")
    assert (shutdown.returncode, shutdown.stdout) == (0, "app:app has ended.\n")
    assert server.wait() == 0
    assert server.states() == []
    for command in ("status", "shutdown"):
        assert call(server, command).returncode == 1


def test_choice_of_applications(serve: StartServer, upstream: FakeStreamlit) -> None:
    """Where there are several, one says which; ``gunicorn`` has started them here."""
    env = {"FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url}
    first = Application("fluxsync.wsgi", env=env)
    second = Application("fluxsync.wsgi", env=env)
    second.env["FLUXSYNC_STATE_DIR"] = str(first.state_base)
    serve(first)
    serve(second)
    # Outside of their directories.
    third = Application(env=dict(second.env))
    try:
        several = call(third, "shutdown")
        assert several.returncode == 2
        for server in (first, second):
            assert f"  --pid {server.pid}  {upstream.url}\n" in several.stderr
        assert call(third, "shutdown", "--pid", str(first.pid)).returncode == 0
        assert first.wait() == 0
        assert second.popen.poll() is None
        assert call(third, "shutdown").returncode == 0
        assert second.wait() == 0
        assert first.states() == []
    finally:
        shutil.rmtree(third.directory)


VERSIONED = APP.replace("os.getpid()", "VERSION")
CHECKS = """
    python packages streamlit gunicorn sockets limits target settings imports state cache port server
    replica page path health script files streamlit headers cookies redirects host websocket silence
    streaming upload
"""


@pytest.mark.streamlit
@pytest.mark.timeout(300)  # eight commands, one after the other
def test_reload(serve: StartServer) -> None:
    """New code comes without a request that fails; broken code changes nothing."""
    server = Fluxsync("run", "--pidfile", "own.pid", files={"app.py": f"VERSION = 1{VERSIONED}"})
    serve(server)
    (workers, (old,)) = server.workers(), server.streamlits()

    second = call(server, "run", "--pidfile", "own.pid", "--port", str(free_port()))
    assert second.returncode == 2
    assert f"process id {server.pid} has it" in second.stderr
    assert (server.directory / "own.pid").read_text() == f"{server.pid}\n"

    server.write("app.py", f"VERSION = 1 / 0{VERSIONED}")
    broken = call(server, "reload")
    assert broken.returncode == 1
    assert "nothing is: ZeroDivisionError: division by zero (app.py, line 1)" in broken.stderr
    assert server.workers() == workers

    server.write("app.py", f"VERSION = 2{VERSIONED}")
    with websocket.RawWebSocket(server.port) as page:
        with Visitor(server) as visitor:
            reload = call(server, "reload")
        assert (reload.returncode, reload.stderr) == (0, "")
        assert visitor.seen == ["1", "2"]
        while (frame := page.receive()) is not None and frame.opcode != 8:
            pass
        assert frame is not None
        assert frame.close_code == 1012
    assert not set(server.workers()) & set(workers)
    (new,) = server.streamlits()
    assert new.pid != old.pid

    server.write("app.py", f"VERSION = 3{VERSIONED}")
    assert call(server, "reload", "--api-only").returncode == 0
    assert server.get("/api/pid").json() == {"pid": 3}
    assert [process.pid for process in server.streamlits()] == [new.pid]

    doctor = call(server, "doctor", "--json", "--verbose")
    said = json.loads(doctor.stdout)
    bad = [finding for finding in said["findings"] if finding["level"] == "problem"]
    assert (doctor.returncode, bad) == (0, [])
    found = dict.fromkeys(finding["check"] for finding in said["findings"])
    assert [*dict.fromkeys(CHECKS.split())] == [check for check in found if check in CHECKS.split()]
    assert said["target"] == "app:app"
    assert said["verbose"]["pages"] == [{"path": "/", "title": "Home"}]

    ended = call(server, "shutdown", "--pidfile", "own.pid")
    assert (ended.returncode, ended.stdout) == (0, "app:app has ended.\n")
    assert not (server.directory / "own.pid").exists()


class Visitor:
    """Asks the API again and again, and fails if an answer isn't 200.

    It has asked at least once when it begins, and once more at its end.
    """

    def __init__(self, server: Application) -> None:
        self._server = server
        self._is_over = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        #: What the answers were, each once.
        self.seen: list[str] = []

    def __enter__(self) -> Visitor:
        self._ask()
        self._future = self._pool.submit(self._visit)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over.set()
        self._pool.shutdown()
        self._future.result()
        self._ask()

    def _visit(self) -> None:
        while not self._is_over.is_set():
            self._ask()

    def _ask(self) -> None:
        answer = self._server.get("/api/pid")
        assert answer.status == 200, answer
        version = str(answer.json()["pid"])
        if version not in self.seen:
            self.seen.append(version)


def test_no_reload(serve: StartServer, upstream: FakeStreamlit) -> None:
    """Without the reloader there's one process for the API, and reload has nothing to do."""
    env = {"FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url}
    server = Fluxsync("dev", "--no-reload", "--no-proxy-headers", env=env)
    serve(server)
    assert server.workers() == [server.pid]
    only_api = call(server, "reload", "--api-only")
    assert only_api.returncode == 2
    assert "the server isn't gunicorn" in only_api.stderr
    pages = call(server, "reload")
    assert (pages.returncode, pages.stdout) == (0, "Streamlit is somebody else's, and stays.\n")
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    assert server.states() == []


def test_shutdown_by_force(run: t.Callable[..., Fluxsync]) -> None:
    """What does not end in time is killed, and its supervisor knows what to do."""
    server = run()
    server.send_signal(signal.SIGSTOP)
    patient = call(server, "shutdown", "--wait", "0.2")
    assert (patient.returncode, patient.stderr) == (1, f"{server.status()['name']} still runs.\n")
    assert call(server, "shutdown", "--wait", "0.2", "--force").returncode == 0
    assert server.wait() == -signal.SIGKILL
