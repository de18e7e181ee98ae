"""TLS connections that are taken from their server, over real sockets."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
import typing as t

import pytest
from werkzeug.serving import make_server

from fluxsync.bridges import sockets
from fluxsync.bridges.tls import TlsSocket
from tests.support.certificates import TlsConnection, certificate

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fluxsync.typing import StartResponse, WSGIEnvironment

MB = 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def made_once() -> None:
    """The dead socket is made once per process, and is no leak."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sockets.take(ours).close()


class Pair(t.NamedTuple):
    """Both ends of a connection: the server's object, what was taken from it, the client."""

    server: ssl.SSLSocket
    taken: TlsSocket
    client: ssl.SSLSocket

    def receive(self, size: int) -> bytes:
        """Read from what was taken, until the end or as much as asked for."""
        got, buffer = b"", memoryview(bytearray(size))
        while len(got) < size:
            try:
                count = self.taken.recv_into(buffer[len(got) :])
            except BlockingIOError:
                assert select.select([self.taken], [], [], 10)[0], f"nothing after {got[:100]!r}"
                continue
            if not count:
                break
            got += buffer[len(got) :][:count]
        return got


@contextlib.contextmanager
def connected() -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """Two ends of a TLS connection over TCP, the server's first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outside = socket.create_connection(listener.getsockname(), timeout=10)
        inside, _ = listener.accept()
    made = certificate()
    clients: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: clients.append(made.connect(outside, strict=True)))
    thread.start()
    inside.settimeout(10)
    with made.server_context().wrap_socket(inside, server_side=True) as server:
        thread.join()
        with clients[0] as client:
            yield server, client


@pytest.fixture
def pair() -> Iterator[Pair]:
    with connected() as (server, client):
        server.settimeout(None)
        taken = sockets.take(server)
        assert isinstance(taken, TlsSocket)
        yield Pair(server, taken, client)
        taken.close()


def test_server_finds_its_connection_dead(pair: Pair) -> None:
    """Whatever it does with it, the client gets nothing of it."""
    server, taken, client = pair
    assert isinstance(server, ssl.SSLSocket)
    with pytest.raises(BrokenPipeError):
        server.sendall(b"in plain text")
    with pytest.raises(BrokenPipeError):
        server.send(b"in plain text")
    assert server.recv(1) == b""
    assert server.recv_into(bytearray(1)) == 0
    with server.makefile("rb") as file:
        assert file.read() == b""
    assert server.fileno() not in (-1, taken.fileno())
    server.shutdown(socket.SHUT_WR)
    server.setblocking(True)
    server.close()

    assert server.fileno() == -1
    assert taken.send(b"alive") == 5
    assert client.recv(10) == b"alive"
    client.sendall(b"too")
    assert pair.receive(3) == b"too"


def test_reads_and_writes_do_not_wait(pair: Pair) -> None:
    with pytest.raises(BlockingIOError):
        pair.taken.recv_into(bytearray(10))
    much = b"x" * 32 * MB
    assert 0 < pair.taken.send(much) < len(much)

    def send_more() -> None:
        # The network may take some more, as something is on its way still.
        for _ in range(1000):
            pair.taken.send(much)

    with pytest.raises(BlockingIOError):
        send_more()
    with pytest.raises(ValueError, match="block"):
        pair.taken.setblocking(True)


def test_large_messages_both_ways(pair: Pair) -> None:
    """Each write takes what fits, and nothing is lost or doubled in between."""
    message = os.urandom(3 * MB)
    received: list[bytes] = []

    def echo() -> None:
        with pair.client.makefile("rb") as file:
            received.append(file.read(len(message)))
        pair.client.sendall(message)

    thread = threading.Thread(target=echo)
    thread.start()
    out = memoryview(message)
    while out:
        with contextlib.suppress(BlockingIOError):
            out = out[pair.taken.send(out) :]
    back = pair.receive(len(message))
    thread.join()

    assert received[0] == message
    assert back == message


def test_a_queue_is_written_on(pair: Pair) -> None:
    """What couldn't be sent may be offered again with more behind it, from another place."""
    queue = bytearray()
    with contextlib.suppress(BlockingIOError):
        while not queue:
            queue += os.urandom(MB)
            del queue[: pair.taken.send(queue)]
    expected = bytes(queue) + b"more"
    queue += b"more"
    received: list[bytes] = []
    end = threading.Thread(target=lambda: received.extend(iter(lambda: pair.client.recv(MB), b"")))
    end.start()
    while queue:
        with contextlib.suppress(BlockingIOError):
            del queue[: pair.taken.send(queue)]
    pair.taken.shutdown(socket.SHUT_WR)
    end.join()

    assert b"".join(received).endswith(expected)


def test_what_openssl_holds_is_announced(pair: Pair) -> None:
    """A small buffer leaves the rest of the record where no selector sees it."""
    pair.client.sendall(b"0123456789")

    assert pair.receive(4) == b"0123"
    assert pair.taken.pending() == 6
    buffer = bytearray(16384)
    assert pair.taken.recv_into(buffer) == 6
    assert buffer[:6] == b"456789"
    assert pair.taken.pending() == 0


def test_bytes_behind_the_head_are_early() -> None:
    """A server reads a part of a record; the rest is with OpenSSL, not in its buffer."""
    with connected() as (server, client):
        client.sendall(b"head\r\nfirst second")
        with server.makefile("rb", buffering=8) as stream:
            assert stream.readline() == b"head\r\n"
            assert server.pending() == 10
            environ: WSGIEnvironment = {"wsgi.input": stream}
            assert sockets.early_bytes(environ, server) == b"first second"
            assert server.gettimeout() == 10


def test_shutdown_says_goodbye(pair: Pair) -> None:
    """The client's end is orderly, and it may still say something."""
    pair.taken.shutdown(socket.SHUT_WR)

    assert pair.client.recv(1) == b""
    pair.client.sendall(b"bye")
    assert pair.receive(3) == b"bye"


def test_shutdown_with_something_unread(pair: Pair) -> None:
    """It can still be read afterwards."""
    pair.client.sendall(b"unread")
    assert select.select([pair.taken], [], [], 10)[0]
    pair.taken.shutdown(socket.SHUT_WR)

    with pytest.raises(ssl.SSLEOFError):  # there was no time for a goodbye
        pair.client.recv(1)
    assert pair.receive(6) == b"unread"


def test_breaking_off_is_seen(pair: Pair) -> None:
    """Closing without a goodbye doesn't pass for the end."""
    pair.taken.send(b"half")
    pair.taken.close()

    assert pair.taken.fileno() == -1
    assert pair.client.recv(10) == b"half"
    with pytest.raises(ssl.SSLEOFError):
        pair.client.recv(10)


def test_end_of_the_client(pair: Pair) -> None:
    """An end without close_notify is one, too."""
    pair.client.shutdown(socket.SHUT_WR)

    assert pair.receive(1) == b""


def test_orderly_end_of_the_client(pair: Pair) -> None:
    thread = threading.Thread(target=pair.client.unwrap)
    thread.start()
    assert pair.receive(1) == b""
    pair.taken.shutdown(socket.SHUT_WR)
    thread.join()


def test_garbage_is_an_error(pair: Pair) -> None:
    """Not an end: somebody tampers with the connection."""
    with socket.socket(fileno=pair.client.detach()) as plain:
        plain.sendall(b"this is no record of TLS at all")
        with pytest.raises(ssl.SSLError, match=r"(?i)version|type|record"):
            pair.receive(1)


def test_options_are_the_sockets(pair: Pair) -> None:
    pair.taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    assert pair.taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_from_werkzeug() -> None:
    """It goes on with its object when the application has returned."""
    taken: list[TlsSocket] = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sock = sockets.find_socket(environ)
        early = sockets.early_bytes(environ, sock)
        connection = sockets.take(sock)
        assert isinstance(connection, TlsSocket)
        taken.append(connection)
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + early)
        start_response("101 Switching Protocols", [])
        return [b""]

    context = certificate().server_context()
    server = make_server("127.0.0.1", 0, application, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with TlsConnection(server.port) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nearly")
            assert client.read_head().status == 101
            assert client.read(5) == b"early"
            # The next connection is served when the server is done with this one.
            TlsConnection(server.port).close()
            taken[0].send(b"later")
            assert client.read(5) == b"later"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in taken:
            connection.close()
