"""``fluxsync dev``: the API is loaded anew when its files change, Streamlit stays."""

from __future__ import annotations

import signal
import typing as t

import psutil
import pytest

from tests.conftest import StartServer
from tests.live.served import Fluxsync
from tests.support.processes import descendants
from tests.support.scripts import run_script
from tests.support.waiting import eventually

pytestmark = [pytest.mark.live_server, pytest.mark.streamlit]

APP = """
import os

from fluxsync import FluxSync

import part

app = FluxSync()


@app.api.get("/answer")
def answer():
    return {"answer": part.ANSWER, "pid": os.getpid()}


@app.page("/")
def home(st):
    st.text(part.ANSWER)
"""


def part(value: object) -> str:
    return f"ANSWER = {value!r}\n"


class Dev(Fluxsync):
    """``fluxsync dev`` with a file that changes."""

    def __init__(self) -> None:
        super().__init__("dev", files={"app.py": APP, "part.py": part(1)})

    def answer(self) -> dict[str, t.Any]:
        try:
            response = self.get("/api/answer")
            return t.cast("dict[str, t.Any]", response.json()) if response.status == 200 else {}
        except ConnectionError:
            return {}  # between two processes

    def wait_for(self, value: object) -> dict[str, t.Any]:
        return eventually(
            lambda: answer if (answer := self.answer()).get("answer") == value else None,
            20,
            lambda: f"{value!r}\n{self.output}",
        )

    def wait_for_error(self, text: str) -> None:
        def error() -> bool:
            try:
                response = self.get("/")
            except ConnectionError:
                return False
            return response.status == 500 and text in response.text

        eventually(error, 20, lambda: f"{text!r}\n{self.output}")


@pytest.fixture
def dev(serve: StartServer) -> Dev:
    server = Dev()
    serve(server)
    return server


def test_changes(dev: Dev) -> None:
    """Each change shows, also one that is taken back, and what was broken is mended."""
    streamlit = dev.streamlit()
    supervisor = dev.supervisor()
    dev.wait_for(1)
    dev.write("part.py", part(2))
    dev.wait_for(2)
    dev.write("part.py", part(1))
    dev.wait_for(1)
    dev.write("part.py", "ANSWER = \n")
    dev.wait_for_error("SyntaxError: invalid syntax")
    dev.write("part.py", part(3))
    dev.wait_for(3)
    dev.wait_ready()
    with dev.connection() as connection:
        # Nobody has looked at the page since it was imported.
        assert run_script(connection) == ["3"]
    dev.write("part.py", part(4))
    dev.wait_for(4)
    dev.wait_ready()
    with dev.connection() as connection:
        assert run_script(connection) == ["4"]
    dev.write("part.py", part(3))
    dev.wait_for(3)
    dev.write("app.py", APP + "app.page('/api')(home)\n")
    dev.wait_for_error("page '/api' would never be seen")
    dev.write("app.py", APP)
    dev.wait_for(3)
    dev.wait_ready()
    assert dev.streamlits() == [streamlit]
    assert dev.supervisors() == [supervisor]


def test_files_of_no_concern(dev: Dev) -> None:
    """Data, and Python files of others, restart nothing."""
    before = dev.wait_for(1)
    dev.write("data.csv", "1,2\n")
    dev.write("notes.txt", "hello\n")
    # The reloader sees this one, and would have seen the others before it.
    dev.write("part.py", part(2))
    after = dev.wait_for(2)
    dev.write("data.csv", "3,4\n")
    assert dev.output.count("Detected change in") == 1
    assert "part.py" in dev.wait_for_line("Detected change in (.*)")[1]
    assert after["pid"] != before["pid"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_end_of_the_reloader(number: signal.Signals, dev: Dev) -> None:
    """The process that serves ends with it."""
    assert len([p for p in descendants(dev.pid) if "dev" in p.cmdline()]) == 1
    assert dev.stop(number) == (0 if number is signal.SIGTERM else -number)


def test_end_of_the_server(dev: Dev) -> None:
    """Without it, the reloader has nothing to do."""
    (server,) = (p for p in psutil.Process(dev.pid).children() if "dev" in p.cmdline())
    server.kill()
    assert dev.wait() != 0
    dev.wait_gone()
