"""Tunnels of the load: a page's requests, made by hand, and a message that goes round in them."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import typing as t

from tests.benchmarks.load import LoadError, connect
from tests.benchmarks.peers import Unavailable
from tests.benchmarks.websocket import masked
from tests.support.records import Records
from tests.support.tunnel import PATH, PROTOCOLS, Tunnel

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection:
    """A connection for requests, one after the other; made again when the server has closed it."""

    def __init__(self, port: int, epoll: select.epoll) -> None:
        self._port = port
        self._epoll = epoll
        self._sock: socket.socket | None = None
        self._request = b""
        self._answer = b""

    def send(self, request: bytes) -> None:
        self._request, self._answer = request, b""
        if self._sock is not None:
            with contextlib.suppress(ConnectionError):
                self._sock.sendall(request)
                return
            self.close()
        self._sock = connect(self._port)
        self._epoll.register(self._sock, select.EPOLLIN)
        self._sock.sendall(request)

    def is_at(self, number: int) -> bool:
        return self._sock is not None and self._sock.fileno() == number

    def receive(self) -> bytes | None:
        """Take what has come; return the body of the answer when it's complete."""
        assert self._sock is not None
        try:
            data = self._sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self._answer += data
        if not data:
            self.close()
            if self._answer:
                raise LoadError(f"closed within an answer, after {self._answer[:200]!r}")
            if self._request:  # it was closed while that was on its way
                self.send(self._request)
            return None
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return None
        length = _LENGTH.search(head)
        if head[9:12] != b"200" or length is None:
            raise LoadError(f"not the expected answer: {self._answer[:200]!r}")
        if len(body) < int(length[1]):
            return None
        self._request = b""
        if b"\r\nConnection: close" in head:
            self.close()
        return body

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()  # which ends the watching too
            self._sock = None


class TunnelClient:
    """Sends a message whenever the last one has come back.

    It goes up with a request on a connection that is kept, and comes down with the answer to a
    long poll, which is asked anew at once, as a page does.

    :ivar sock: What the loop waits for: it's readable when one of the two connections is.
    :raise Unavailable: There's no epoll, which can be waited for like a socket.
    """

    def __init__(self, port: int, size: int) -> None:
        if not hasattr(select, "epoll"):
            raise Unavailable("the load needs epoll")
        self.sock = select.epoll()
        self.interval = 0.0
        self.latencies: list[float] = []
        self._frame = masked(b"x" * size)
        tunnel = Tunnel(port)
        if (response := tunnel.open(PROTOCOLS[:1])).status != 200:
            raise LoadError(f"no tunnel: {response.raw[:200]!r}")
        self._host = f"127.0.0.1:{port}"
        self._fields = "".join(f"{n}: {value}\r\n" for n, value in tunnel.fields(self._host))
        self._sent = self._acknowledged = self._expected = self._received = 0
        self._push = Connection(port, self.sock)
        self._poll = Connection(port, self.sock)
        self._ask()

    def send(self) -> None:
        query = f"sent={self._sent}&received={self._received}&wait=0&limit=0"
        self._push.send(self._request(query, self._frame))
        self._sent += len(self._frame)
        self._expected += len(self._frame) - 4  # as servers don't mask

    def readable(self) -> bool:
        for number, _ in self.sock.poll(0):
            if self._push.is_at(number):
                body = self._push.receive()
                if body is not None:
                    self._acknowledged = _records(body).states[0].received
            elif self._poll.is_at(number):
                body = self._poll.receive()
                if body is not None:
                    self._received += len(_records(body).data)
                    self._ask()
        return self._received == self._expected and self._acknowledged == self._sent

    def close(self) -> None:
        self._push.close()
        self._poll.close()
        self.sock.close()

    def _ask(self) -> None:
        # The message that is on its way may come later than this.
        query = f"sent={self._acknowledged}&received={self._received}&wait=20&limit=262144"
        self._poll.send(self._request(query))

    def _request(self, query: str, body: bytes = b"") -> bytes:
        head = (
            f"POST {PATH}/exchange?{query}&mode=long-poll HTTP/1.1\r\nHost: {self._host}\r\n"
            f"{self._fields}Content-Type: application/octet-stream\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _records(body: bytes) -> Records:
    records = Records()
    records.feed(body)
    return records


@contextlib.contextmanager
def open_tunnels(port: int, count: int, size: int) -> t.Iterator[list[TunnelClient]]:
    """Open tunnels, with a long poll each, and close their connections in the end."""
    with contextlib.ExitStack() as stack:
        tunnels = []
        for _ in range(count):
            tunnels.append(TunnelClient(port, size))
            stack.callback(tunnels[-1].close)
        yield tunnels
