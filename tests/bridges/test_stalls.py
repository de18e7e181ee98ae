"""Preparing gunicorn's workers; the live tests see them serve."""

from __future__ import annotations

import logging
import os
import socket
import typing as t

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.sock import TCPSocket, UnixSocket
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

from fluxsync.bridges.gate import Gate
from fluxsync.bridges.stalls import defer_accept, prevent_stalls
from fluxsync.bridges.successive import Successive
from fluxsync.bridges.vestibule import Vestibule

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Make = t.Callable[..., t.Any]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make workers as they are when they load the application."""
    monkeypatch.setattr(util, "close_graceful", util.close_graceful)  # restores it
    cfg, log = Config(), logging.getLogger("test")
    tcp = TCPSocket(("127.0.0.1", 0), cfg, log)
    unix = UnixSocket(str(tmp_path / "socket"), cfg, log)
    workers: list[t.Any] = []

    def build(cls: t.Any, **settings: t.Any) -> t.Any:
        for name, value in settings.items():
            cfg.set(name, value)
        worker = cls(1, os.getpid(), [unix, tcp], None, 30, cfg, log)
        worker.wait_fds = [*worker.sockets, "pipe"]
        workers.append(worker)
        return worker

    yield build
    for worker in workers:
        worker.tmp.close()
        for listener in worker.sockets:
            if isinstance(listener, Vestibule):
                listener.close()
    for listener in (tcp, unix):
        listener.close()


def test_defer_accept() -> None:
    """It's set on listeners of TCP, as gunicorn has them, and on nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        listener = type("TCPSocket", (), {"sock": tcp, "family": tcp.family})
        defer_accept([listener(), unix])

        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) > 0


def test_sync(make: Make) -> None:
    worker = make(SyncWorker)
    tcp, graceful = worker.sockets[1], util.close_graceful
    prevent_stalls(worker, 30)

    vestibule, unix = worker.sockets
    assert isinstance(vestibule, Vestibule)
    assert vestibule.getsockname() == tcp.getsockname()
    assert isinstance(unix, UnixSocket)
    assert worker.wait_fds == [vestibule, unix, "pipe"]
    assert tcp.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) > 0
    assert util.close_graceful is not graceful


def test_gthread(make: Make) -> None:
    worker = make(ThreadWorker)
    listeners = list(worker.sockets)
    prevent_stalls(worker, 30)

    assert worker.sockets == listeners
    assert isinstance(worker.enqueue_req.__self__, Gate)
    assert isinstance(worker.handle.__self__, Successive)


@pytest.mark.parametrize("cls", [SyncWorker, ThreadWorker])
@pytest.mark.parametrize(
    ("timeout", "settings"),
    [(0, {}), (30, {"certfile": "cert.pem"}), (30, {"protocol": "uwsgi"})],
    ids=["off", "tls", "uwsgi"],
)
def test_heads_cannot_be_waited_for(
    make: Make, cls: type, timeout: float, settings: dict[str, str]
) -> None:
    """But connections are closed without waiting."""
    worker = make(cls, **settings)
    listeners, graceful = list(worker.sockets), util.close_graceful
    prevent_stalls(worker, timeout)

    assert worker.sockets == listeners
    assert "enqueue_req" not in vars(worker)
    assert util.close_graceful is not graceful


def test_other_workers(make: Make) -> None:
    """gevent's wait for clients without keeping anybody."""
    worker = make(Worker)
    listeners, graceful = list(worker.sockets), util.close_graceful
    prevent_stalls(worker, 30)

    assert worker.sockets == listeners
    assert util.close_graceful is graceful


def test_twice(make: Make) -> None:
    """Two applications in one worker."""
    worker = make(SyncWorker)
    prevent_stalls(worker, 30)
    listeners = list(worker.sockets)
    prevent_stalls(worker, 30)

    assert worker.sockets == listeners
