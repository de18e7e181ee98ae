from __future__ import annotations

import contextlib
import queue
import socket
import threading
import typing as t

import pytest

from fluxsync.process import probes
from fluxsync.process.probes import Prober, Result, is_healthy
from tests.support.upstream import FakeStreamlit


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for answers as long as a busy machine takes."""
    monkeypatch.setattr(probes, "TIMEOUT", 20.0)


@pytest.fixture
def results() -> t.Iterator[tuple[Prober, queue.SimpleQueue[Result]]]:
    answers: queue.SimpleQueue[Result] = queue.SimpleQueue()
    prober = Prober(answers.put)
    yield prober, answers
    prober.stop()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answering(data: bytes) -> tuple[socket.socket, threading.Thread]:
    """Serve exact bytes once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as sock, contextlib.suppress(OSError):
            sock.recv(4096)
            for byte in data:
                sock.sendall(bytes([byte]))

    thread = threading.Thread(target=serve)
    thread.start()
    return listener, thread


def test_healthy(upstream: FakeStreamlit) -> None:
    assert is_healthy("127.0.0.1", upstream.port)
    assert is_healthy("localhost", upstream.port)
    upstream.health = 503
    assert not is_healthy("127.0.0.1", upstream.port)
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("data", "healthy"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", True, id="byte by byte"),
        pytest.param(b"HTTP/1.0 200", True, id="old"),
        pytest.param(b"HTTP/1.1 2000 ", True, id="only so far as needed"),
        pytest.param(b"HTTP/1.1 20", False, id="cut off"),
        pytest.param(b"", False, id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2 200\r\n", False, id="another protocol"),
        pytest.param(b"HTTP/1.1 302 Found\r\n\r\n", False, id="redirect"),
    ],
)
def test_answers(data: bytes, healthy: bool) -> None:
    listener, thread = answering(data)
    assert is_healthy("127.0.0.1", listener.getsockname()[1]) is healthy
    thread.join()


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", 99999), ("x" * 64, 80), ("..", 80), ("no.such.host.invalid", 80)],
)
def test_addresses_that_are_none(host: str, port: int) -> None:
    assert not is_healthy(host, port)


def test_ipv6() -> None:
    """Its address is in brackets, as the Host header wants it."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6")
    seen: list[bytes] = []

    def serve() -> None:
        with listener, listener.accept()[0] as sock:
            seen.append(sock.recv(4096))
            sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    thread = threading.Thread(target=serve)
    port = listener.getsockname()[1]
    thread.start()
    assert is_healthy("::1", port)
    thread.join()
    assert b"\r\nHost: [::1]:%d\r\n" % port in seen[0]


def test_silence(
    monkeypatch: pytest.MonkeyPatch, results: tuple[Prober, queue.SimpleQueue[Result]]
) -> None:
    """It costs the prober's time and nobody else's."""
    monkeypatch.setattr(probes, "TIMEOUT", 0.05)
    prober, answers = results
    with socket.create_server(("127.0.0.1", 0)) as silent:
        prober.probe("r1", "127.0.0.1", (silent.getsockname()[1],))
        assert answers.get(timeout=10) == Result("r1", None)


def test_several_ports(
    upstream: FakeStreamlit, results: tuple[Prober, queue.SimpleQueue[Result]]
) -> None:
    """The first that answers counts, and each question has one answer."""
    prober, answers = results
    prober.probe("r1", "127.0.0.1", (closed_port(), upstream.port))
    prober.probe("r2", "127.0.0.1", (closed_port(),))
    prober.probe("r3", "127.0.0.1", ())
    expected = [Result("r1", upstream.port), Result("r2", None), Result("r3", None)]
    assert [answers.get(timeout=10) for _ in range(3)] == expected
