"""Pages call the API over private sockets of the workers, and not through the listener."""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

import pytest

from fluxsync.upstream.calls import CALLS_URL, CALLS_VARIABLE, connect
from fluxsync.upstream.client import API_BASE_VARIABLE, ApiClient
from tests.conftest import StartServer
from tests.live.served import Application
from tests.support import http
from tests.support.certificates import TlsConnection, certificate
from tests.support.processes import PYTHON, Server, free_port
from tests.support.scripts import run_script
from tests.support.waiting import eventually

pytestmark = [pytest.mark.live_server, pytest.mark.streamlit]

APP = """
import os

import flask

from fluxsync import ApiClient, FluxSync

app = FluxSync(title="Caller")


@app.api.get("/pid")
def pid():
    return {"pid": os.getpid()}


@app.api.get("/echo")
def echo():
    request = flask.request
    headers = {name.lower(): value for name, value in request.headers.items()}
    return {"address": request.remote_addr, "headers": headers}


@app.api.get("/own")
def own():
    mine = app.get_client().get("/echo").json()
    return {"mine": mine, "any": ApiClient(propagate_request_id=True).get("/echo").json()}


@app.api.get("/folder/")
def folder():
    return "in the folder"


@app.page("/")
def home(st, client):
    # Redirected, in terms of browsers, to the path with a slash at its end.
    assert client.get("/folder").text == "in the folder"
    st.text(f"pid {client.get('/pid').json()['pid']}")
"""


class Site(Application):
    """An application whose page calls its API, wherever it listens."""

    def __init__(self, worker_class: str = "gthread", *args: str) -> None:
        files = {"app.py": APP}
        super().__init__("fluxsync.wsgi", worker_class=worker_class, files=files, args=args)

    def connection(self) -> http.Connection:
        return http.Connection(self.port)

    def request(
        self,
        method: str,
        path: str,
        headers: t.Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> http.Response:
        with self.connection() as connection:
            return connection.request(method, path, [*headers, ("Connection", "close")], body)

    def called(self) -> int:
        """Have a page call the API; return the process that has answered."""
        with self.connection() as connection:
            [text] = run_script(connection)
        assert text.startswith("pid "), text
        return int(text.removeprefix("pid "))

    def sockets(self) -> list[str]:
        return sorted(path.name for state in self.states() for path in state.calls.glob("*"))


class PortSite(Site):
    """``gunicorn``, at a port that Streamlit's process could call as well."""

    def __init__(self) -> None:
        super().__init__("sync")
        self.env |= {"FLUXSYNC_ROOT_PATH": "/root", "FLUXSYNC_PUBLIC_BASE_URL": "https://w.example"}


class UnixSite(Site):
    """``gunicorn --bind unix:``."""

    def __init__(self, worker_class: str = "gthread", *args: str) -> None:
        super().__init__(worker_class, *args)
        self.path = str(self.directory / "gunicorn.sock")
        self.args = tuple(f"unix:{self.path}" if a == "127.0.0.1:0" else a for a in self.args)

    def start(self) -> None:
        Server.start(self)
        self.wait_for_line(r"Listening at: unix:")
        self.wait_ready()

    def connection(self) -> http.Connection:
        return http.UnixConnection(self.path)


class TlsSite(Site):
    """``gunicorn --certfile``."""

    def __init__(self) -> None:
        made = certificate()
        options = ("--certfile", str(made.certificate), "--keyfile", str(made.key))
        super().__init__("gthread", *options)

    def start(self) -> None:
        Server.start(self)
        self.port = int(self.wait_for_line(r"Listening at: https://127\.0\.0\.1:(\d+)")[1])
        self.wait_ready()

    def connection(self) -> http.Connection:
        return TlsConnection(self.port)


class WaitressSite(Site):
    """waitress, which tells nobody where it listens."""

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.args = (
            *PYTHON,
            "-m",
            "waitress",
            "--listen",
            f"127.0.0.1:{self.port}",
            "fluxsync.wsgi:app",
        )

    def start(self) -> None:
        Server.start(self)
        self.wait_ready()


@pytest.fixture(scope="module")
def site() -> t.Iterator[UnixSite]:
    """Two workers that nobody ends for good."""
    server = UnixSite("gthread", "--workers", "2")
    server.shared = True
    with server:
        yield server


@pytest.fixture
def client(site: UnixSite, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[ApiClient]:
    """A client as in Streamlit's process."""
    [state] = site.states()
    monkeypatch.setenv(CALLS_VARIABLE, str(state.calls))
    monkeypatch.setenv(API_BASE_VARIABLE, f"{CALLS_URL}/api")
    with ApiClient() as client:
        yield client


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(PortSite, id="port"),
        pytest.param(lambda: UnixSite("sync"), id="sync"),
        pytest.param(lambda: UnixSite("gevent", "--preload"), id="gevent-preload"),
        pytest.param(TlsSite, id="TLS"),
        pytest.param(WaitressSite, id="waitress"),
    ],
)
def test_page_calls(make: t.Callable[[], Site], serve: StartServer) -> None:
    """A worker answers, with a line in the log, and there's no trouble at the end."""
    server = make()
    serve(server)

    caller = server.called()
    server.wait_for_line("GET /api/pid 200 .*route=call")
    # Another worker may still be about to come.
    eventually(lambda: caller in server.workers())
    eventually(lambda: len(server.sockets()) == len(server.workers()))
    server.stop()
    assert "Traceback" not in server.output
    assert "Exception" not in server.output


def test_api_calls_itself(site: UnixSite, client: ApiClient) -> None:
    """With the request's id, and without a configuration."""
    site.wait_ready()
    answer = site.get("/api/own", [("X-Request-Id", "first")]).json()
    ids = {answer[name]["headers"]["x-request-id"] for name in ("mine", "any")}

    assert ids == {"first"}
    site.wait_for_line("GET /api/echo 200 .*route=call request_id=first")


def test_all_workers_are_called(site: UnixSite, client: ApiClient) -> None:
    """Each connection goes to any of them."""
    site.wait_ready()
    pids: set[int] = set()

    def are_all_known() -> bool:
        pids.add(client.get("/pid", headers={"Connection": "close"}).json()["pid"])
        return len(pids) == 2

    eventually(are_all_known)


def test_worker_that_is_killed(site: UnixSite) -> None:
    """Its socket stays, and is removed by the page that finds it."""
    eventually(lambda: len(site.workers()) == len(site.sockets()) == 2)
    [state] = site.states()
    before = site.sockets()
    os.kill(site.workers()[0], signal.SIGKILL)
    eventually(lambda: len(set(site.sockets()) | set(before)) == 3, 30)
    eventually(lambda: len(site.workers()) == 2)
    for _ in range(5):
        site.called()

    def is_removed() -> bool:
        connect(str(state.calls), 20).close()
        return len(site.sockets()) == 2

    eventually(is_removed)


def test_reload(site: UnixSite) -> None:
    """Sockets of workers that have ended are gone, and pages call the new ones."""
    eventually(lambda: len(site.workers()) == len(site.sockets()) == 2)
    before, pids = set(site.sockets()), set(site.workers())
    site.popen.send_signal(signal.SIGHUP)
    eventually(lambda: not before & set(site.sockets()) and len(site.sockets()) == 2, 30)
    eventually(lambda: len(site.workers()) == 2)

    assert site.called() not in pids


def test_supervisor_that_is_killed(site: UnixSite) -> None:
    old = site.supervisor()
    old.kill()
    eventually(lambda: site.status()["pid"] != old.pid and len(site.workers()) == 2)
    site.wait_ready()

    assert site.called()


def test_supervisor_that_ends(site: UnixSite) -> None:
    """It takes the directory with it, and workers make their sockets anew."""
    before = set(site.sockets())
    site.supervisor().terminate()
    eventually(lambda: len(set(site.sockets()) - before) == 2, 30)
    site.wait_ready()

    assert site.called()


def test_nothing_but_the_api(site: UnixSite, client: ApiClient) -> None:
    site.wait_ready()
    [state] = site.states()
    for path in ("/", "/healthz", "/readyz", "/_stcore/health", "/__fluxsync/shim.js", "/static/x"):
        with contextlib.closing(connect(str(state.calls), 20)) as sock:
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            sock.setblocking(True)
            sock.sendall(request.encode())
            response = http.Stream(sock).read_until(b"\r\n") or b""
        assert response.split()[1] == b"404", path


def test_caller_is_somebody_on_this_machine(site: UnixSite, client: ApiClient) -> None:
    """Who is not believed more than others there."""
    site.wait_ready()
    forged = {
        "X-Forwarded-For": "192.0.2.1",
        "Remote-User": "root",
        "X-Request-Id": "page-1",
        "X-Fluxsync-User": "root",
    }
    answer = client.get("/echo", headers=forged).json()

    assert answer["address"] == "127.0.0.1"
    assert answer["headers"]["x-request-id"] == "page-1"
    assert not {"x-forwarded-for", "remote-user", "x-fluxsync-user"} & set(answer["headers"])
    site.wait_for_line(r"/api/echo 200 .*page-1")


def test_sockets_are_not_found_by_others(site: UnixSite) -> None:
    site.wait_ready()
    [state] = site.states()
    paths = [state.calls, *state.calls.iterdir()]

    assert [path.stat().st_mode & 0o077 for path in paths] == [0] * len(paths)
