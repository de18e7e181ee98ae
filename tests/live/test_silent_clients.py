"""Clients that are silent, slow, or won't go keep nobody waiting.

Each test has more of them than there are threads, so many that a server that waits for each of
them in turn needs more time than the client that asks then has.
"""

from __future__ import annotations

import contextlib
import signal
import typing as t

import pytest

from tests.support import http
from tests.support.gateways import Gateway

pytestmark = pytest.mark.live_server

#: As few as each class can have.
ALONE = {"sync": ("--workers", "1"), "gthread": ("--threads", "4"), "gevent": ()}
GET = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
MANY = 40

Start = t.Callable[..., Gateway]


#: Worker class and further options. gevent patches too late for ``--preload``.
VARIANTS = (("sync",), ("sync", "--preload"), ("gthread",), ("gthread", "--preload"), ("gevent",))


@pytest.fixture(params=VARIANTS, ids=" ".join)
def server(gateway: Start, request: pytest.FixtureRequest) -> Gateway:
    worker_class, *options = request.param
    return gateway(worker_class, args=(*ALONE[worker_class], *options))


@pytest.fixture
def clients() -> t.Iterator[t.Callable[[Gateway, bytes], list[http.Connection]]]:
    """Connect many clients, each of which sends something."""
    with contextlib.ExitStack() as stack:

        def connect(server: Gateway, data: bytes) -> list[http.Connection]:
            made = [stack.enter_context(server.connection()) for _ in range(MANY)]
            for client in made:
                client.send(data)
            return made

        yield connect


Connect = t.Callable[[Gateway, bytes], list[http.Connection]]


def test_silent_clients(server: Gateway, clients: Connect) -> None:
    """Browsers open connections ahead of need."""
    silent = clients(server, b"")
    assert server.get("/healthz").status == 200
    for client in silent:
        client.send(GET)
    assert {client.read_response().status for client in silent} == {200}


def test_half_heads(server: Gateway, clients: Connect) -> None:
    half = clients(server, GET[:20])
    assert server.get("/healthz").status == 200
    for client in half:
        client.send(GET[20:])
    assert {client.read_response().status for client in half} == {200}


def test_clients_that_stay(server: Gateway, clients: Connect) -> None:
    """They have asked for the end of the connection, and don't close their side."""
    staying = clients(server, GET[:-2] + b"Connection: close\r\n\r\n")
    assert server.get("/healthz").status == 200
    for client in staying:
        assert client.read_response().status == 200
        assert client.is_closed()


def test_clients_that_talk_nonsense(server: Gateway, clients: Connect) -> None:
    """gunicorn itself answers them, and closes the connection."""
    nonsense = clients(server, b"GET what I want\r\n\r\n")
    assert server.get("/healthz").status == 200
    assert {client.read_response().status for client in nonsense} == {400}


@pytest.mark.parametrize("sent", [b"", GET[:20]], ids=["after a request", "behind one"])
def test_half_heads_on_kept_connections(gateway: Start, clients: Connect, sent: bytes) -> None:
    server = gateway("gthread", args=ALONE["gthread"])
    kept = clients(server, GET + sent)
    assert {client.read_response().status for client in kept} == {200}
    for client in kept:
        client.send(GET[len(sent) : 30])
    assert server.get("/healthz").status == 200
    for client in kept:
        client.send(GET[30:])
    assert {client.read_response().status for client in kept} == {200}


#: Those that wait for clients themselves; gevent keeps nobody meanwhile.
WAITING = ("sync", "gthread")


@pytest.fixture(params=WAITING)
def impatient(gateway: Start, request: pytest.FixtureRequest) -> Gateway:
    env = {"FLUXSYNC_GATEWAY_CLIENT_HEADER_TIMEOUT_S": "0.2"}
    return gateway(request.param, args=ALONE[request.param], env=env)


def test_late_heads(impatient: Gateway) -> None:
    """Who doesn't go on gets told so, and the connection ends."""
    with impatient.connection() as client:
        client.send(GET[:20])
        assert client.read_response().status == 408
        assert client.is_closed()
    assert impatient.get("/healthz").status == 200


def test_late_head_on_a_kept_connection(gateway: Start) -> None:
    env = {"FLUXSYNC_GATEWAY_CLIENT_HEADER_TIMEOUT_S": "0.2"}
    server = gateway("gthread", args=ALONE["gthread"], env=env)
    with server.connection() as client:
        client.send(GET)
        assert client.read_response().status == 200
        client.send(GET[:20])
        assert client.read_response().status == 408
        assert client.is_closed()
    assert "Traceback" not in server.output


@pytest.mark.parametrize("worker_class", WAITING)
def test_endless_head(gateway: Start, worker_class: str) -> None:
    with gateway(worker_class, args=ALONE[worker_class]).connection() as client:
        client.send(GET[:-2] + b"X: " + b"x" * 100_000)
        assert client.read_response().status == 431


def test_stop_with_half_heads(gateway: Start, worker_class: str) -> None:
    """Who has begun may go on for a moment, and is served."""
    server = gateway(worker_class, args=(*ALONE[worker_class], "--graceful-timeout", "10"))
    with server.connection() as client:
        client.send(GET[:20])
        assert server.get("/healthz").status == 200
        server.send_signal(signal.SIGTERM)
        server.wait_for_line("Handling signal: term")
        client.send(GET[20:])
        assert client.read_response().status == 200
    assert server.wait() == 0


@pytest.mark.parametrize("worker_class", WAITING)
def test_stop_does_not_wait_for_slow_heads(gateway: Start, worker_class: str) -> None:
    """Not as long as it waits for requests, which gunicorn's own threads would."""
    server = gateway(worker_class, args=(*ALONE[worker_class], "--graceful-timeout", "60"))
    with server.connection() as client:
        client.send(GET[:20])
        assert server.get("/healthz").status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
