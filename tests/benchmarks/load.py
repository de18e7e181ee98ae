"""Clients that cost little: one selector, requests and frames made beforehand.

They run in the benchmark's own process, and their CPU time is charged to nobody.
"""

from __future__ import annotations

import gc
import heapq
import math
import re
import selectors
import socket
import time
import typing as t

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
#: Bytes taken from a socket at once, into a buffer that all clients share.
RECEIVE = 1 << 20
SCRATCH = bytearray(RECEIVE)
VIEW = memoryview(SCRATCH)
#: Seconds without any answer after which a contender has failed.
PATIENCE = 20.0


class LoadError(Exception):
    """A contender did not answer as it should."""


def get(port: int, path: str, headers: t.Mapping[str, str] | None = None) -> bytes:
    """Return a GET request, as a browser's would be."""
    fields = {
        "Host": f"127.0.0.1:{port}",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0",
        "Accept": "*/*",
        "Accept-Language": "en-GB,en;q=0.9",
        "Cookie": "_streamlit_xsrf=2|0123abcd|0123456789abcdef0123456789abcdef|1700000000",
        **(headers or {}),
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Pollable(t.Protocol):
    """What a selector can wait for."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Client(t.Protocol):
    """One connection of a :class:`Loop`.

    :ivar latencies: Seconds from each request to its answer.
    :ivar interval: Seconds from one request to the next; 0 for as soon as it's answered.
    """

    latencies: list[float]
    interval: float

    @property
    def sock(self) -> Pollable:
        """What is readable when something has come."""

    def send(self) -> None:
        """Send a request; called when the last one is answered."""

    def readable(self) -> bool:
        """Take what has come; return whether the answer is complete."""


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class HttpClient:
    """Sends one request again and again, on a connection that is kept alive.

    :ivar received: Bytes of answers, with their heads.
    """

    def __init__(self, port: int, request: bytes, interval: float = 0.0) -> None:
        self.request = request
        self.interval = interval
        self.latencies: list[float] = []
        self.sock = connect(port)
        self.received = 0
        self._buffer = b""  # what isn't understood yet: a part of a head or of a chunk's size
        self._left = 0  # bytes of the body, or of the chunk, that are to come
        self._state: t.Literal["head", "body", "chunk"] = "head"

    def send(self) -> None:
        self.sock.sendall(self.request)

    def readable(self) -> bool:
        size = self.sock.recv_into(VIEW)
        if not size:
            raise LoadError(f"closed within an answer, after {self._buffer[:200]!r}")
        self.received += size
        if size < self._left:
            self._left -= size
            return False
        data = self._buffer + bytes(VIEW[self._left : size])
        self._left = 0
        if self._state == "head":
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return False
            length = _LENGTH.search(data, 0, end)
            if data[9:12] != b"200" or not (length or _CHUNKED.search(data, 0, end)):
                raise LoadError(f"not the expected answer: {data[:200]!r}")
            self._state = "body" if length else "chunk"
            self._left = int(length[1]) if length else 0
            data = data[end + 4 :]
            self._left, data = max(self._left - len(data), 0), data[self._left :]
        ended = not self._left and (self._state == "body" or self._chunks(data))
        if ended:
            self._state = "head"
            self._buffer = b""
        return ended

    def _chunks(self, data: bytes) -> bool:
        """Pass over chunks; return whether the last one has come."""
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:end], 16)
            start, at = at, end + size + 4
            if at > len(data):
                if size and len(data) >= end + 2:
                    self._left = at - len(data)
                    self._buffer = b""
                else:
                    self._buffer = data[start:]
                return False
            if not size:
                return True
        self._buffer = data[at:]
        return False


class Loop:
    """Runs clients, all in this thread."""

    def __init__(self, clients: t.Sequence[Client]) -> None:
        self.clients = clients

    def run(self, seconds: float, limit: float = math.inf) -> float:
        """Let them work, and return for how many seconds they did.

        When the time is over no more is sent, but what was sent is still waited for.

        :param limit: Answers, of all together, after which it's over sooner.
        :raise LoadError: One got no proper answer.
        """
        for client in self.clients:
            client.latencies.clear()
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                selector.register(client.sock, selectors.EVENT_READ, client)
            gc.disable()  # a pause of ours isn't the contender's
            try:
                return self._run(selector, seconds, limit)
            except OSError as e:
                raise LoadError(str(e) or type(e).__name__) from e
            finally:
                gc.enable()

    def _run(self, selector: selectors.BaseSelector, seconds: float, limit: float) -> float:
        clock = time.perf_counter
        begin = last = clock()
        end = begin + seconds
        sent: dict[Client, float] = {}
        # Those that pause begin one after the other, as people do.
        count = len(self.clients)
        due = [(begin + c.interval * i / count, i, c) for i, c in enumerate(self.clients)]
        answered = 0
        while True:
            now = clock()
            over = now >= end or answered >= limit
            if over and not sent:
                return last - begin
            if not over:
                while due and due[0][0] <= now:
                    client = heapq.heappop(due)[2]
                    sent[client] = clock()
                    client.send()
            until = now + PATIENCE if over else min(due[0][0] if due else end, end)
            events = selector.select(min(max(until - now, 0.0), PATIENCE))
            if not events and sent and clock() - max(last, *sent.values()) > PATIENCE:
                raise LoadError(f"no answer for {PATIENCE:g} s")
            for key, _ in events:
                client = key.data
                if not client.readable() or client not in sent:
                    continue
                last = clock()
                begun = sent.pop(client)
                client.latencies.append(last - begun)
                answered += 1
                if client.interval:
                    again = max(begun + client.interval, last)
                    heapq.heappush(due, (again, answered + count, client))
                elif last < end and answered < limit:
                    sent[client] = last
                    client.send()

    def latencies(self) -> list[float]:
        return [latency for client in self.clients for latency in client.latencies]

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for client in self.clients:
            client.sock.close()
