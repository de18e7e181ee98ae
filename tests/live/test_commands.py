"""``fluxsync run``, ``status`` and ``shutdown``, as a person at a terminal uses them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import typing as t

import pytest

from tests.conftest import StartServer
from tests.live.served import Application, Fluxsync
from tests.support.processes import PYTHON, environment
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
        timeout=30 * FACTOR,
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


def test_shutdown_by_force(run: t.Callable[..., Fluxsync]) -> None:
    """What does not end in time is killed, and its supervisor knows what to do."""
    server = run()
    server.send_signal(signal.SIGSTOP)
    patient = call(server, "shutdown", "--wait", "0.2")
    assert (patient.returncode, patient.stderr) == (1, f"{server.status()['name']} still runs.\n")
    assert call(server, "shutdown", "--wait", "0.2", "--force").returncode == 0
    assert server.wait() == -signal.SIGKILL
