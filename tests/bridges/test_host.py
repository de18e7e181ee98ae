"""Where code runs; the live tests find it out under real servers."""

from __future__ import annotations

import os
import typing as t

import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from fluxsync.bridges.host import Host, find_host, listener_url


def test_standalone() -> None:
    assert find_host() == Host("standalone", os.getpid())
    assert not find_host().forks_later


class FakeApp:
    def __init__(self, app_uri: str | None) -> None:
        self.app_uri = app_uri


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
            self.cfg = type("Config", (), {"address": ["/run/x.sock", ("127.0.0.1", 8000)]})()

        def load(self) -> Host:
            return find_host()

    host = LoadingArbiter().load()
    assert host == Host("gunicorn master", os.getpid(), "http://127.0.0.1:8000", "app:app")
    assert host.forks_later


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
