"""Sockets as workers have them, those of dead ones too."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import typing as t
from pathlib import Path

import pytest
import requests

from fluxsync.upstream.calls import CALLS_URL, CALLS_VARIABLE, connect
from fluxsync.upstream.client import API_BASE_VARIABLE, ApiClient
from tests.support.http import Stream

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that Streamlit's process has been told."""
    path = tmp_path / "calls"
    monkeypatch.setenv(CALLS_VARIABLE, str(path))
    monkeypatch.setenv(API_BASE_VARIABLE, f"{CALLS_URL}/api")
    return path


def listen(path: Path, backlog: int = 8) -> socket.socket:
    path.parent.mkdir(exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))
    listener.listen(backlog)
    listener.settimeout(20)
    return listener


def dead(path: Path) -> None:
    """Leave what a worker leaves that is killed."""
    listen(path).close()


@contextlib.contextmanager
def worker(path: Path, answer: bytes = ANSWER) -> t.Iterator[list[bytes]]:
    """Answer one request, and yield the list with what came."""
    heads: list[bytes] = []

    def run() -> None:
        sock, _ = listener.accept()
        with sock:
            heads.append(Stream(sock).read_until(b"\r\n\r\n") or b"")
            sock.sendall(answer)

    with listen(path) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield heads
        thread.join()


def test_request(directory: Path) -> None:
    with worker(directory / "a") as heads, ApiClient() as client:
        response = client.get("/users", params={"a": "é"})

    assert (response.status_code, response.text) == (200, "ok")
    assert heads[0].startswith(b"GET /api/users?a=%C3%A9 HTTP/1.1\r\nHost: localhost\r\n")


def test_dead_workers_are_passed_over_and_removed(directory: Path) -> None:
    for number in range(10):
        dead_path = directory / f"{number}"
        dead(dead_path)
    with worker(directory / "a"), ApiClient() as client:
        assert client.get("/").text == "ok"
        (directory / "a").unlink()
        # Not each of them has been in the way.
        with pytest.raises(requests.ConnectionError):
            client.get("/", timeout=0.01)

    assert list(directory.iterdir()) == []


def test_busy_workers_are_passed_over(directory: Path) -> None:
    """The kernel's queue of one is full, and of others not."""
    with contextlib.ExitStack() as stack:
        for number in range(10):
            stack.enter_context(listen(directory / f"{number}", backlog=0))
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.connect(os.fspath(directory / f"{number}"))
        with worker(directory / "a"), ApiClient() as client:
            assert client.get("/").text == "ok"
        assert len(list(directory.iterdir())) == 11


def test_worker_that_is_about_to_start(directory: Path) -> None:
    """The former one has gone already, as with gunicorn's max_requests."""
    answers: list[requests.Response] = []
    with ApiClient() as client:
        page = threading.Thread(target=lambda: answers.append(client.get("/")))
        page.start()
        with worker(directory / "a"):
            page.join()

    assert [answer.text for answer in answers] == ["ok"]


def test_no_worker(directory: Path) -> None:
    with (
        ApiClient(timeout=0.01) as client,
        pytest.raises(requests.ConnectionError, match=f"no gateway worker listens in {directory}"),
    ):
        client.get("/")


def test_directory_of_somebody_else(directory: Path) -> None:
    """What waiting doesn't mend is said at once."""
    directory.write_text("not a directory")
    with pytest.raises(NotADirectoryError):
        connect(os.fspath(directory), None)


def test_time_is_limited(directory: Path) -> None:
    with listen(directory / "a"), ApiClient() as client:
        with pytest.raises(requests.ReadTimeout):
            client.get("/", timeout=0.01)
        with pytest.raises(requests.ReadTimeout):
            client.get("/", timeout=(None, 0.01))


def test_other_urls_are_left_alone(directory: Path) -> None:
    """Somebody has named one, and knows better."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with (
        ApiClient(f"http://localhost:{port}/api") as client,
        pytest.raises(requests.ConnectionError, match=f"port={port}"),
    ):
        client.get("/")
    with (
        ApiClient(f"{CALLS_URL}/api", timeout=0.01) as client,
        pytest.raises(requests.ConnectionError) as caught,
    ):
        client.get("/")
    assert "gateway worker" not in str(caught.value)
