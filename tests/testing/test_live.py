from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import typing as t
import uuid

import psutil
import pytest
import requests

from fluxsync import FluxSync
from fluxsync.exceptions import FluxSyncError, TargetError
from fluxsync.testing import serve
from tests.support import websocket
from tests.support.leaks import MARK
from tests.support.processes import describe, environment, processes_with
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.live_server, pytest.mark.streamlit]

app = FluxSync(title="Served")
app.api.add_url_rule("/pid", "pid", lambda: str(os.getpid()))


@app.page("/")
def home(st: t.Any) -> None:
    st.title("Served")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables of the person who runs this, and nothing of a former server."""
    ours = environment({"FLUXSYNC_STATE_DIR": str(tmp_path)})
    for name in {*os.environ} - {*ours}:
        monkeypatch.delenv(name)
    for name, value in ours.items():
        monkeypatch.setenv(name, value)


def get(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=20)


def test_application_is_served(tmp_path: Path) -> None:
    """It's there at once, and gone at once, also if the test fails."""
    with contextlib.suppress(ZeroDivisionError), serve(app, env={"FLUXSYNC_TITLE": "x"}) as url:
        worker = int(get(f"{url}/api/pid").text)
        assert worker != os.getpid()
        assert "<title>Streamlit</title>" in get(f"{url}/").text
        with websocket.connect(int(url.rpartition(":")[2])):
            pass
        _ = 1 / 0

    assert not psutil.pid_exists(worker)
    with pytest.raises(requests.ConnectionError):
        get(f"{url}/healthz")
    assert [path.name for path in tmp_path.rglob("*.sock")] == []


def test_what_cannot_be_served() -> None:
    with pytest.raises(FluxSyncError, match=r"ended with status 2:\n(?s:.*)no module 'nowhere'"):
        serve("nowhere:app").__enter__()
    with pytest.raises(TargetError, match="no module has this application"):
        serve(FluxSync()).__enter__()
    with pytest.raises(TypeError, match="application=5: expected a FluxSync, or its import target"):
        serve(t.cast("t.Any", 5)).__enter__()


KILLED = """
import os, time
from fluxsync.testing import serve
with serve("tests.testing.test_live:app") as url:
    print(url, flush=True)
    time.sleep(60)
"""


def test_test_that_is_killed() -> None:
    mark = uuid.uuid4().hex
    env = {**os.environ, MARK: mark}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, env=env
    ) as test:
        try:
            assert test.stdout is not None
            url = test.stdout.readline().strip()
            assert get(f"{url}/healthz").status_code == 200
            # The test, gunicorn and its worker, the supervisor and Streamlit.
            assert len(processes_with(mark)) >= 5
        finally:
            test.send_signal(signal.SIGKILL)

    eventually(lambda: not processes_with(mark), 20, lambda: describe(processes_with(mark)))
