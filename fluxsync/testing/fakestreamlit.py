"""A server that behaves as Streamlit's does towards a gateway, and shows what reached it."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import socket
import threading
import typing as t

import wsproto
from wsproto import events
from wsproto.connection import ConnectionType

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: As Streamlit's: relative to where the page is, with nothing of its own in it.
INDEX = (
    '<!doctype html><html lang="en"><head><meta charset="UTF-8"/><title>Streamlit</title>'
    '<script type="module" src="./static/js/index.js"></script></head>'
    '<body><div id="root"></div></body></html>'
)
#: Where Streamlit has its WebSocket.
STREAM = "/_stcore/stream"
#: What Streamlit tells its page about the host around it, as far as pages need it.
_HOST_CONFIG = {
    "allowedOrigins": [],
    "useExternalAuthToken": False,
    "enableCustomParentMessages": False,
}
_SUBPROTOCOL = "streamlit"


@dataclasses.dataclass(frozen=True)
class ReceivedRequest:
    """A request as it arrived."""

    method: str
    #: Path and query, to the byte.
    target: str
    #: All fields in their order.
    headers: list[tuple[str, str]]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, without the query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Return the first field of this name, or ``None``."""
        found = (value for key, value in self.headers if key.lower() == name.lower())
        return next(found, None)

    def to_json(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(
            {
                "method": self.method,
                "target": self.target,
                "headers": self.headers,
                "body": self.body.decode("utf-8", "replace"),
            }
        ).encode()


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a path answers with."""

    body: str | bytes = b""
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: t.Sequence[tuple[str, str]] = ()


class FakeStreamlit:
    """Streamlit's server, as a gateway sees it, on a free port of this machine.

    A context manager; threads and connections end with it. It answers

    - ``/_stcore/health`` with ``ok``, and with 503 while :attr:`healthy` is false;
    - ``/_stcore/host-config`` with JSON, and ``/`` with a page;
    - what :attr:`answers` has, by paths;
    - everything else with the request itself, as JSON;
    - a WebSocket at ``/_stcore/stream`` with what is sent to it.

    Thread-safe.
    """

    def __init__(self) -> None:
        #: Whether ``/_stcore/health`` says so.
        self.healthy = True
        #: More answers, by their paths; they come first.
        self.answers: dict[str, Answer] = {}
        self._requests: list[ReceivedRequest] = []
        self._messages: list[str | bytes] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="fake-streamlit"
        )

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, as for ``FLUXSYNC_STREAMLIT_UPSTREAM``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests so far, handshakes of WebSockets included, without health checks."""
        with self._lock:
            return list(self._requests)

    @property
    def messages(self) -> list[str | bytes]:
        """The messages that came by WebSockets so far."""
        with self._lock:
            return list(self._messages)

    def __enter__(self) -> FakeStreamlit:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut all connections, and wait for their threads."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.end()

    def note(self, *, request: ReceivedRequest | None = None, message: str | bytes = b"") -> None:
        """Keep a request, or a message."""
        with self._lock:
            if request is None:
                self._messages.append(message)
            else:
                self._requests.append(request)

    def answer(self, request: ReceivedRequest) -> Answer:
        """Return the answer to a request."""
        answer = self.answers.get(request.path)
        if answer is not None:
            return answer
        if request.path == "/_stcore/health":
            return Answer("ok") if self.healthy else Answer("not ok", 503)
        if request.path == "/_stcore/host-config":
            return Answer(json.dumps(_HOST_CONFIG), content_type="application/json")
        if request.path == "/":
            return Answer(INDEX, content_type="text/html; charset=utf-8")
        return Answer(request.to_json(), content_type="application/json")


class _Server(http.server.ThreadingHTTPServer):
    # Threads are waited for.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, fake: FakeStreamlit) -> None:
        self.fake = fake
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, t.Any]:
        sock, address = super().get_request()
        with self._lock:
            self._connections.add(sock)
        return sock, address

    def shutdown_request(self, request: t.Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Leave a connection that broke off at that."""

    def end(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for sock in connections:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "FakeStreamlit"
    sys_version = ""
    # Head and body in one piece, or the other side's delayed acknowledgement is waited for.
    wbufsize = -1
    server: _Server

    def __getattr__(self, name: str) -> t.Any:
        # http.server looks for a method per verb.
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def log_message(self, *args: t.Any) -> None:
        """Log nothing."""

    def _handle(self) -> None:
        body = b"".join(self._body())
        request = ReceivedRequest(self.command, self.path, list(self.headers.items()), body)
        fake = self.server.fake
        if request.path != "/_stcore/health":
            fake.note(request=request)
        if request.path == STREAM and "websocket" in (request.header("upgrade") or "").lower():
            self._echo()
            return
        answer = fake.answer(request)
        content = answer.body.encode() if isinstance(answer.body, str) else answer.body
        self.send_response(answer.status)
        has_body = answer.status not in (204, 304)
        if has_body:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(content)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> Iterator[bytes]:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while length := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers

    def _echo(self) -> None:
        """Be a WebSocket until the other side closes it."""
        self.close_connection = True
        websocket = wsproto.WSConnection(ConnectionType.SERVER)
        fields = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in self.headers.items()]
        websocket.initiate_upgrade_connection(fields, self.path)
        whole: list[t.Any] = []
        while True:
            for event in websocket.events():
                answer = self._reply(event, whole)
                if answer is not None:
                    self.connection.sendall(websocket.send(answer))
                if isinstance(event, events.CloseConnection):
                    return
            data = self.connection.recv(65536)
            if not data:
                return
            websocket.receive_data(data)

    def _reply(self, event: events.Event, whole: list[t.Any]) -> events.Event | None:
        """Return what an event is answered with.

        :param whole: The pieces of the message so far.
        """
        if isinstance(event, events.Request):
            offered = _SUBPROTOCOL in event.subprotocols
            return events.AcceptConnection(subprotocol=_SUBPROTOCOL if offered else None)
        if isinstance(event, (events.Ping, events.CloseConnection)):
            return event.response()
        if isinstance(event, events.Message):
            whole.append(event.data)
            if event.message_finished:
                message = type(whole[0])().join(whole)
                message = bytes(message) if isinstance(message, bytearray) else message
                whole.clear()
                self.server.fake.note(message=message)
                return events.Message(data=message)
        return None
