"""Where code runs; the live tests find it out under real servers."""

from __future__ import annotations

import os
import sys
import types
import typing as t

import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.workers.base import Worker

from fluxsync.bridges.host import LINGER, Host, call_in_workers, find_host, listener_url


def test_standalone() -> None:
    assert find_host() == Host("standalone", os.getpid())
    assert not find_host().forks_later


class FakeApp:
    def __init__(self, app_uri: str | None) -> None:
        self.app_uri = app_uri


def config(**values: object) -> Config:
    made = Config()
    for name, value in values.items():
        made.set(name, value)
    return made


class Listener:
    def getsockname(self) -> tuple[str, int]:
        return ("0.0.0.0", 8123)


@pytest.mark.parametrize(
    ("app_uri", "target"),
    [
        ("app:app", "app:app"),
        ("wsgi", "wsgi:application"),
        ("fluxsync.wsgi", ""),
        ("fluxsync.wsgi:app", ""),
        (None, ""),
    ],
)
def test_on_the_stack_of_gunicorn(app_uri: str | None, target: str) -> None:
    """A worker that is loading the application, without the rest of gunicorn."""

    class LoadingWorker(Worker):  # type: ignore[misc] # gunicorn has no types
        def __init__(self) -> None:
            self.app = FakeApp(app_uri)
            self.ppid = os.getppid()
            self.sockets = [Listener()]
            self.cfg = config()

        def load(self) -> Host:
            return find_host()

    worker = LoadingWorker()
    url = "http://127.0.0.1:8123"
    expected = Host("gunicorn worker", os.getppid(), url, target, worker)
    assert worker.load() == expected


def test_on_the_stack_of_a_master() -> None:
    class LoadingArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
        def __init__(self) -> None:
            self.app = FakeApp("app:app")
            self.cfg = config(bind=["unix:/run/x.sock", "127.0.0.1:8000"])

        def load(self) -> Host:
            return find_host()

    host = LoadingArbiter().load()
    assert host == Host("gunicorn master", os.getpid(), "http://127.0.0.1:8000", "app:app")
    assert host.forks_later


def uwsgi(
    master: int, worker: int, workers: t.Sequence[int], **options: object
) -> types.ModuleType:
    """Return uWSGI's own module, as one of its processes sees it."""
    module = types.ModuleType("uwsgi")
    names = {name.replace("_", "-"): value for name, value in options.items()}
    module.__dict__.update(
        masterpid=lambda: master,
        worker_id=lambda: worker,
        workers=lambda: tuple({"pid": pid} for pid in workers),
        opt=names,
    )
    return module


@pytest.mark.parametrize(
    ("module", "role", "anchor"),
    [
        pytest.param(uwsgi(7, 1, [8, 9]), "uwsgi worker", 7, id="master"),
        pytest.param(uwsgi(7, 0, [0, 0]), "uwsgi master", 7, id="before the fork"),
        pytest.param(uwsgi(0, 2, [8, 9]), "uwsgi worker", 8, id="no master"),
        pytest.param(uwsgi(0, 0, [0, 0]), "uwsgi master", os.getpid(), id="no master yet"),
    ],
)
def test_uwsgi(
    module: types.ModuleType, role: str, anchor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    host = find_host()

    assert (host.role, host.anchor) == (role, anchor)
    assert host.forks_later == (role == "uwsgi master")
    assert host.linger is None
    assert "enable-threads" in host.defect


@pytest.mark.parametrize("option", ["enable_threads", "threads"])
def test_uwsgi_with_threads(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(7, 1, [8], **{option: b"2"}))

    assert find_host().defect == ""


def test_call_after_the_fork_of_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's own hook is called, too, and mules are not for requests."""
    module = uwsgi(7, 0, [0], threads=b"2")
    calls: list[object] = []
    module.__dict__["post_fork_hook"] = lambda: calls.append("own")
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    call_in_workers(find_host(), calls.append)
    module.__dict__["post_fork_hook"]()
    assert calls == ["own"]
    module.__dict__["worker_id"] = lambda: 1
    module.__dict__["post_fork_hook"]()
    assert calls == ["own", "own", None]


def test_servers_of_many_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    """All processes of one application have the same parent, which outlives them."""
    monkeypatch.setenv("IN_PASSENGER", "1")
    assert find_host() == Host("passenger", os.getppid())
    monkeypatch.setitem(sys.modules, "mod_wsgi", types.ModuleType("mod_wsgi"))
    host = find_host()
    assert host == Host("mod_wsgi", os.getppid())
    assert host.linger == LINGER
    assert host.is_serving
    assert host.embeds_python


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        (("0.0.0.0", 80), "http://127.0.0.1:80"),
        (("::", 8000, 0, 0), "http://[::1]:8000"),
        (("fe80::1", 8000, 0, 0), "http://[fe80::1]:8000"),
        ("/run/app.sock", ""),
        (b"\0abstract", ""),
    ],
)
def test_listener_url(address: t.Any, url: str) -> None:
    assert listener_url(address) == url


def test_url_of_a_master_with_tls() -> None:
    class LoadingArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
        def __init__(self) -> None:
            self.app = FakeApp("app:app")
            self.cfg = config(bind="127.0.0.1:8443", certfile="cert.pem")

        def load(self) -> Host:
            return find_host()

    assert LoadingArbiter().load().url == "https://127.0.0.1:8443"


@pytest.mark.skipif("protocol" not in Config().settings, reason="gunicorn is too old")
def test_url_of_a_master_that_speaks_another_protocol() -> None:
    """It's uWSGI's, for nginx."""

    class LoadingArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
        def __init__(self) -> None:
            self.app = FakeApp("app:app")
            self.cfg = config(bind="127.0.0.1:8000", protocol="uwsgi")

        def load(self) -> Host:
            return find_host()

    assert LoadingArbiter().load().url == ""
