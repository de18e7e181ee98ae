"""Small applications in directories of their own, and the processes that serve them."""

from __future__ import annotations

import os
import typing as t

import psutil

from fluxsync.process.launch import ask
from fluxsync.process.state import StateDirectory, all_states
from tests.support.gateways import Gateway
from tests.support.processes import PYTHON, Server, free_port
from tests.support.waiting import eventually

#: An API, and a page whose session counts.
APP = """
import os

from fluxsync import FluxSync

app = FluxSync(title="Counter")


@app.api.get("/pid")
def pid():
    return {"pid": os.getpid()}


@app.page("/")
def home(st):
    if st.button("Count up"):
        st.session_state.count = st.session_state.get("count", 0) + 1
    st.write(f"Count: {st.session_state.get('count', 0)}")
"""

#: gunicorn reads it by itself. The socket has a thread in the master since gunicorn 25.1.
GUNICORN = "control_socket_disable = True\n"


class Application(Gateway):
    """An application under gunicorn, from files that are written here.

    :param files: Names and texts; ``app.py`` is :data:`APP` if it is not among them.
    """

    def __init__(
        self,
        target: str = "app:app",
        *,
        files: t.Mapping[str, str] | None = None,
        env: t.Mapping[str, str] | None = None,
        args: t.Iterable[str] = (),
        worker_class: str = "gthread",
        ready: bool = True,
    ) -> None:
        if target == "fluxsync.wsgi":
            env = {"FLUXSYNC_APP": "app:app", **(env or {})}
        super().__init__(worker_class, target=target, env=env, args=args, ready=ready)
        for name, text in {
            "app.py": APP,
            "gunicorn.conf.py": GUNICORN,
            **(files or {}),
        }.items():
            self.write(name, text)
        #: Where the supervisors of the server's user are found.
        self.state_base = self.directory / f"fluxsync-{os.getuid()}"

    def write(self, name: str, text: str) -> None:
        """Write a file into the working directory, in one piece."""
        temporary = self.directory / f"{name}.new"
        temporary.write_text(text)
        temporary.replace(self.directory / name)

    def begin(self) -> None:
        """Start the process, and wait for nothing."""
        Server.start(self)

    def find_port(self) -> None:
        """Wait until it listens, after :meth:`begin`."""
        self.port = int(self.wait_for_line(r"Listening at: http://127\.0\.0\.1:(\d+)")[1])

    # Processes

    def supervisors(self) -> list[psutil.Process]:
        """Return the supervisors that run."""
        return self.find_programs("supervisord")

    def streamlits(self) -> list[psutil.Process]:
        """Return the Streamlit processes that run."""
        return self.find_programs("child.py")

    def workers(self) -> list[int]:
        """Return the process ids of the workers that are connected."""
        return t.cast("list[int]", self.status()["workers"])

    def streamlit(self) -> psutil.Process:
        """Return the only Streamlit, when it answers."""
        self.wait_ready()
        (process,) = self.streamlits()
        return process

    def supervisor(self) -> psutil.Process:
        """Return the only supervisor, when Streamlit answers."""
        self.wait_ready()
        (process,) = self.supervisors()
        return process

    # State

    def status(self) -> dict[str, t.Any]:
        """Return what the only supervisor says."""

        def answer() -> dict[str, t.Any] | None:
            states = self.states()
            return ask(states[0], "status") if len(states) == 1 else None

        return eventually(answer, 20, lambda: f"a supervisor\n{self.output}")

    def states(self) -> list[StateDirectory]:
        """Return the state directories."""
        return all_states(self.state_base) if self.state_base.exists() else []

    def wait_gone(self) -> None:
        """Wait until no process is left; no state is left either."""
        super().wait_gone()
        left = [path.name for state in self.states() for path in state.path.iterdir()]
        assert left == [], self.output
        assert self.states() == []


class Fluxsync(Application):
    """``fluxsync run`` or another of its commands that serve.

    :param args: The command and its arguments.
    """

    def __init__(
        self,
        *args: str,
        files: t.Mapping[str, str] | None = None,
        env: t.Mapping[str, str] | None = None,
        port: int | None = None,
        ready: bool = True,
    ) -> None:
        super().__init__(files=files, env=env, ready=ready)
        self.port = free_port() if port is None else port
        self.args = (*PYTHON, "-m", "fluxsync", *args, "--port", str(self.port))

    def start(self) -> None:
        Server.start(self)
        if self._ready:
            self.wait_for_line(rf"^Running on http://127\.0\.0\.1:{self.port}$", timeout=60)
