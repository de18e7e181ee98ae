"""A small HTTP/1.1 proxy in threads, for tests that need one that does not behave.

It reads a request to its end before it passes it on (nginx's default), and has a connection of
its own to the server for each request. What else it does is up to :meth:`Proxy.exchange`.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import typing as t

from tests.support.http import Connection, Headers, Message, Response, Stream
from tests.support.leaks import Service
from tests.support.waiting import Deadline

if t.TYPE_CHECKING:
    from typing_extensions import Self

HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


class Gone(ConnectionError):
    """Nobody waits for the answer any more, or none is to be given."""


class Upstream(Connection):
    """A connection to the server, read as long as the client is there and time is left.

    :ivar idle: Seconds without a byte after which it's over, from now on.
    :raise Gone: The client has closed its connection.
    :raise TimeoutError: The time is over.
    """

    def __init__(self, port: int, client: Stream, deadline: Deadline, idle: float) -> None:
        super().__init__(port)
        self.idle = idle
        self._client = client
        self._deadline = deadline

    def fill(self) -> bool:
        while True:
            # A client that has sent more keeps its connection: what it sent waits.
            watched = [self.sock, *([] if self._client.buffer else [self._client.sock])]
            left = min(self._deadline.remaining(), self.idle)
            readable, _, _ = select.select(watched, (), (), left)
            if not readable:
                raise TimeoutError("the response takes too long")
            if self.sock in readable:
                return super().fill()
            if not self._client.fill():
                raise Gone("the client has gone")


class Proxy(Service):
    """The proxy's connections and threads; a context manager."""

    def __init__(self) -> None:
        self._thawed = threading.Event()
        self._thawed.set()
        self._closing = False
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        Service.running.add(self)
        self._acceptor.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self.thaw()
        for thread in self.owned_threads():
            while thread.is_alive():
                self.drop()  # also what was opened since
                thread.join(0.05)
        Service.running.discard(self)

    def exchange(self, client: Stream) -> bool:
        """Serve one request; return whether there may be another on the connection.

        An :class:`OSError` ends the connection.
        """
        raise NotImplementedError

    def freeze(self) -> None:
        """Let nothing pass from now on, in neither direction."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Let everything pass again, also what has come in the meantime."""
        self._thawed.set()

    def drop(self) -> None:
        """End every connection, to clients and to servers."""
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def send(self, to: Stream, data: bytes) -> None:
        """Send something, as soon as the proxy is not frozen."""
        self._thawed.wait()
        to.sock.sendall(data)

    @contextlib.contextmanager
    def upstream(
        self, port: int, client: Stream, deadline: Deadline, idle: float
    ) -> t.Iterator[Upstream]:
        """Connect to a server for a client."""
        if self._closing:
            raise Gone("the proxy ends")
        upstream = Upstream(port, client, deadline, idle)
        with self._owned(upstream.sock):
            yield upstream

    def carry(
        self, client: Stream, upstream: Stream, idle: float, *, swallow: bool = False
    ) -> None:
        """Pass bytes on in both directions until either side ends.

        :param idle: Seconds without any after which it ends.
        :param swallow: They are read and forgotten instead.
        """
        others = {client.sock: (client, upstream), upstream.sock: (upstream, client)}
        ended = False
        while True:
            for source, sink in others.values():
                data, source.buffer = source.buffer, b""
                if data and not swallow:
                    self.send(sink, data)
            if ended:
                return
            readable, _, _ = select.select(list(others), (), (), idle)
            if not readable:
                raise TimeoutError("nobody says anything")
            for sock in readable:
                ended = not others[sock][0].fill() or ended

    def owned_threads(self) -> list[threading.Thread]:
        with self._lock:
            return [self._acceptor, *self._threads]

    def owned_descriptors(self) -> list[int]:
        with self._lock:
            return [self._listener.fileno(), *(sock.fileno() for sock in self._sockets)]

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    sock, _ = self._listener.accept()
                except OSError:
                    return
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._serve, args=(sock,), name="proxy-client")
                thread.daemon = True
                with self._lock:
                    self._sockets.add(sock)
                    self._threads.add(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with self._owned(sock), contextlib.suppress(OSError):
                client = Stream(sock)
                while not self._closing and self.exchange(client):
                    pass
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    @contextlib.contextmanager
    def _owned(self, sock: socket.socket) -> t.Iterator[None]:
        with self._lock:
            self._sockets.add(sock)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(sock)
                sock.close()


def read_body(head: Message, stream: Stream) -> bytes:
    """Read the body of a request to its end."""
    if "chunked" not in head.get("Transfer-Encoding").lower():
        return stream.read(int(head.get("Content-Length") or 0))
    body = b""
    for chunk in stream.chunks():
        if chunk is None:
            raise Gone("the client has gone in the middle of its request")
        body += chunk
    return body


def forwarded(head: Message, body: bytes, *, upgrades: bool = True) -> Headers:
    """Return a request's fields for the server; ``Host`` is kept, as for the browser.

    :param upgrades: Whether a handshake is passed on as one.
    """
    dropped = HOP_BY_HOP | {"content-length", "x-forwarded-for"}
    clients = ", ".join([*head.all("X-Forwarded-For"), "127.0.0.1"])
    upgrade = head.get("Upgrade") if upgrades else ""
    has_body = body or "Content-Length" in head or "Transfer-Encoding" in head
    fields = [(name, value) for name, value in head.headers if name.lower() not in dropped]
    if has_body:
        fields.append(("Content-Length", str(len(body))))
    fields.append(("X-Forwarded-For", clients))
    fields.append(("Connection", "Upgrade" if upgrade else "close"))
    return fields + ([("Upgrade", upgrade)] if upgrade else [])


def to_bytes(method: str, target: str, fields: Headers, body: bytes) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def returned(response: Response, fields: Headers, framing: str, *, kept: bool) -> bytes:
    """Return the head of a response as it goes to the client.

    :param fields: Its fields, as they are to be.
    :param framing: Header line that says where the body ends, ``""`` for the server's.
    """
    dropped = HOP_BY_HOP | ({"content-length"} if framing else set())
    lines = [
        response.start_line,
        *(f"{name}: {value}" for name, value in fields if name.lower() not in dropped),
        *([framing] if framing else []),
        f"Connection: {'keep-alive' if kept else 'close'}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
