"""A stand-in for Streamlit's server that shows exactly what the gateway sent to it.

Threads and exact bytes, no framework. Paths it knows, everything else is echoed:

=====================  =====================================================================
``/_stcore/health``    200 ``ok``
``/echo...``           the request as JSON: method, target, headers, body_sha256, body_length
``/bytes/N``           N bytes of :func:`pattern`, with their length
``/chunked/N/C``       N chunks of C bytes
``/drip/N/MS``         N chunks ``0\\n``, ``1\\n``, ... with so many milliseconds in between
``/gated/N``           N server-sent events, each when the test calls ``upstream.gate.release()``
``/gated-page/N``      the same behind the head of a page
``/close/N``           N bytes without a length, ended by the end of the connection
``/slow/SECONDS``      answers when the test sets ``upstream.release``, or after the time
``/status/NNN``        an answer with this status; 204 and 304 have no body
``/redirect?to=URL``   302 with this ``Location``, byte for byte
``/set-cookie``        two ``Set-Cookie`` headers, one of them with a comma in it
``/hop``               hop-by-hop, Connection-nominated and duplicate headers
``/gzip``              a compressed body; its plain text is ``b"x" * 10000``
``/html``              a document
``/hints``             103 before 200
``/reset``             a reset in the middle of a body with a length
``/reset-chunked``     a reset after the first chunk
``/garbage``           an answer that is not HTTP
``/nothing``           the end of the connection instead of an answer
``/stale``             200 as on a kept connection, which then ends
``/sink``              reads the body in pieces, then 204; see :attr:`FakeStreamlit.sinks`
``/refuse``            413 before the body is read, which never happens
``/_stcore/stream``    WebSocket: echo, and the commands of :class:`UpstreamSocket`
=====================  =====================================================================
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import json
import queue
import socket
import threading
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from tests.support import frames
from tests.support.frames import Frame
from tests.support.http import Headers, Message, Stream, parse_head
from tests.support.leaks import Service
from tests.support.waiting import MS, eventually

BLOCK = bytes(range(256)) * 255 + bytes(248)


def pattern(count: int) -> t.Iterator[bytes]:
    """Yield ``count`` bytes, 64 kB at a time, in which a lost or swapped piece shows."""
    for number in range(-(-count // 65536)):
        yield (number.to_bytes(8, "big") + BLOCK)[: count - number * 65536]


@dataclass
class Request:
    """A request as it arrived; ``complete`` is false when the body ended too early."""

    method: str
    target: str
    version: str
    head: Message
    connection: int
    body_length: int = 0
    body_sha256: str = ""
    body: bytes = b""  # up to 64 kB
    complete: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def headers(self) -> Headers:
        return self.head.headers

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def get(self, name: str, default: str = "") -> str:
        return self.head.get(name, default)

    def all(self, name: str) -> list[str]:
        return self.head.all(name)


class UpstreamSocket:
    """The server's end of a WebSocket; echoes every frame except the commands it knows.

    Text messages ``push COUNT SIZE``, ``close CODE REASON``, ``ping TEXT``, ``head`` (answers
    the handshake's head), and ``abort`` (resets the connection) are commands.
    """

    def __init__(self, request: Request, stream: Stream) -> None:
        self.request = request
        #: Every frame of the client, as long as its payload is below 64 kB, else without.
        self.frames: list[Frame] = []
        self.close_code: int | None = None
        self.close_reason = ""
        #: Set when the connection has ended.
        self.ended = threading.Event()
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, frame: Frame) -> None:
        """Send a frame; any thread."""
        with self._lock:
            self._stream.sock.sendall(frame.encode())

    def abort(self) -> None:
        """Reset the connection."""
        reset(self._stream.sock)

    def serve(self) -> None:
        try:
            while frame := frames.read_frame(self._stream):
                small = len(frame.payload) < 65536
                self.frames.append(frame if small else Frame(frame.first, b"", frame.masked))
                if frame.opcode == frames.CLOSE:
                    self.close_code, self.close_reason = frame.close_code, frame.close_reason
                    self.send(Frame(frame.first, frame.payload))
                    return
                if not self._obey(frame):
                    return
        except OSError:
            pass
        finally:
            self.ended.set()

    def _obey(self, frame: Frame) -> bool:
        if frame.opcode == frames.PING:
            self.send(Frame(0x80 | frames.PONG, frame.payload))
        elif frame.opcode == frames.PONG:
            pass
        elif frame.first == 0x80 | frames.TEXT and len(frame.payload) < 200:
            command, _, rest = frame.payload.decode().partition(" ")
            if command == "push":
                count, size = map(int, rest.split())
                for number in range(count):
                    self.send(frames.binary((b"%08d" % number * (size // 8 + 1))[:size]))
            elif command == "close":
                code, _, reason = rest.partition(" ")
                self.send(frames.close(int(code) if code else None, reason))
            elif command == "ping":
                self.send(Frame(0x80 | frames.PING, rest.encode()))
            elif command == "head":
                self.send(frames.text(self.request.head.raw.decode("latin-1")))
            elif command == "abort":
                self.abort()
                return False
            else:
                self.send(Frame(frame.first, frame.payload))
        else:
            self.send(Frame(frame.first, frame.payload))
        return True


def reset(sock: socket.socket) -> None:
    """End a connection with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


class End(Exception):
    """The connection ends after this answer."""


class FakeStreamlit(Service):
    """The server; a context manager. Its threads end with :meth:`stop`."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.gate = threading.Semaphore(0)
        #: Requests to ``/sink``, put when their body has ended, complete or not.
        self.sinks: queue.Queue[Request] = queue.Queue()
        #: Status and body of the answer to a handshake, when it is to be refused.
        self.refusal: tuple[int, bytes] | None = None
        #: Sent in one piece with the 101.
        self.greeting = b""
        #: Status of ``/_stcore/health``.
        self.health = 200
        #: Answers by path: header fields, ``Content-Length`` included, and body.
        self.files: dict[str, tuple[Headers, bytes]] = {}
        #: Their statuses, where these aren't 200.
        self.statuses: dict[str, int] = {}
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._websockets: list[UpstreamSocket] = []
        self._connections: dict[threading.Thread, Stream] = {}
        self._count = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, name="upstream", daemon=True)

    def __enter__(self) -> FakeStreamlit:
        Service.running.add(self)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Cut every connection and wait for every thread."""
        self._stop_listening()
        self.release.set()
        self.cut()
        self._thread.join()
        for thread in self.owned_threads():
            self.gate.release(1000)
            thread.join()
        Service.running.discard(self)

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Cut every connection."""
        with self._lock:
            streams = list(self._connections.values())
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Forget what was recorded and set; connections stay."""
        with self._lock:
            self._requests.clear()
            self._websockets.clear()
        while not self.sinks.empty():
            self.sinks.get()
        self.release.set()
        self.release.clear()
        self.gate.release(1000)
        self.gate = threading.Semaphore(0)
        self.refusal, self.greeting, self.health = None, b"", 200
        self.files, self.statuses = {}, {}

    def owned_threads(self) -> list[threading.Thread]:
        with self._lock:
            return [self._thread, *self._connections]

    def owned_descriptors(self) -> list[int]:
        with self._lock:
            streams = list(self._connections.values())
        return [self._listener.fileno(), *(stream.sock.fileno() for stream in streams)]

    # What was recorded

    @property
    def requests(self) -> list[Request]:
        """Every request so far, handshakes included, without the gateway's probes."""
        with self._lock:
            return [r for r in self._requests if r.path != "/_stcore/health"]

    @property
    def probes(self) -> int:
        """Number of requests to ``/_stcore/health``."""
        with self._lock:
            return sum(r.path == "/_stcore/health" for r in self._requests)

    @property
    def websockets(self) -> list[UpstreamSocket]:
        """Every WebSocket that was accepted so far."""
        with self._lock:
            return list(self._websockets)

    def wait_for_request(self, path: str, timeout: float = 10.0) -> Request:
        """Return the first request to the path, when its head has arrived."""
        return eventually(
            lambda: next((r for r in self.requests if r.path == path), None),
            timeout,
            lambda: f"a request to {path}; there were {[r.target for r in self.requests]}",
        )

    def wait_for_websocket(self, number: int = 0, timeout: float = 10.0) -> UpstreamSocket:
        """Return the WebSocket that was accepted as the so-manyth since :meth:`reset`."""
        eventually(lambda: len(self.websockets) > number, timeout, f"WebSocket {number}")
        return self.websockets[number]

    # Connections

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    sock, _ = self._listener.accept()
                except OSError:
                    return
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream = Stream(sock)
                with self._lock:
                    self._count += 1
                    number = self._count
                    thread = threading.Thread(
                        target=self._serve, args=(stream, number), name=f"upstream-{number}"
                    )
                    thread.daemon = True
                    self._connections[thread] = stream
                thread.start()

    def _serve(self, stream: Stream, number: int) -> None:
        try:
            with stream.sock, contextlib.suppress(OSError, End):
                while self._serve_request(stream, number):
                    pass
        finally:
            with self._lock:
                del self._connections[threading.current_thread()]

    def _serve_request(self, stream: Stream, number: int) -> bool:
        raw = stream.read_until(b"\r\n\r\n")
        if raw is None:
            return False
        head = parse_head(raw)
        method, target, version = head.start_line.split(" ")
        request = Request(method, target, version, head, number)
        with self._lock:
            self._requests.append(request)
        if request.path == "/_stcore/stream" and request.get("Upgrade"):
            if self.refusal is None:
                self._serve_websocket(request, stream)
                return False
            status, body = self.refusal
            self._receive_body(request, stream)
            send_response(stream, request, status, [], body)
        elif request.path == "/refuse":
            send_response(stream, request, 413, [], b"refused")
            self.release.wait()
            return False
        else:
            self._receive_body(request, stream)
            if not request.complete:
                return False
            self._answer(request, stream)
        # The body is there and the connection kept, also after a refusal: whoever sends
        # another request through a refused handshake finds a server that would answer.
        return request.get("Connection").lower() != "close"

    def _receive_body(self, request: Request, stream: Stream) -> None:
        if request.get("Expect").lower() == "100-continue":
            stream.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest = hashlib.sha256()
        chunked = "chunked" in request.get("Transfer-Encoding").lower()
        length = int(request.get("Content-Length") or 0)
        request.complete = True
        for piece in stream.chunks() if chunked else stream.pieces(length):
            if piece is None:
                request.complete = False
            else:
                digest.update(piece)
                request.body_length += len(piece)
                request.body += piece[: 65536 - len(request.body)]
        if not chunked:
            request.complete = request.body_length == length
        request.body_sha256 = digest.hexdigest()
        request.done.set()
        if request.path == "/sink":
            self.sinks.put(request)

    def _serve_websocket(self, request: Request, stream: Stream) -> None:
        offered = [p.strip() for p in request.get("Sec-WebSocket-Protocol").split(",")]
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {frames.accept_key(request.get('Sec-WebSocket-Key'))}",
            *(["Sec-WebSocket-Protocol: streamlit"] if "streamlit" in offered else []),
            "\r\n",
        ]
        websocket = UpstreamSocket(request, stream)
        # Before the client knows: it may open another one at once.
        with self._lock:
            self._websockets.append(websocket)
        stream.sock.sendall("\r\n".join(lines).encode() + self.greeting)
        request.complete = True
        request.done.set()
        websocket.serve()

    # Answers

    def _answer(self, request: Request, stream: Stream) -> None:
        def send(status: int, headers: Headers, body: bytes = b"") -> None:
            send_response(stream, request, status, headers, body)

        _, name, *args = request.path.split("/")
        numbers = [int(arg) for arg in args if arg.isdecimal()]
        sendall = stream.sock.sendall
        if request.path in self.files:
            headers, body = self.files[request.path]
            send_head(stream, self.statuses.get(request.path, 200), headers)
            sendall(b"" if request.method == "HEAD" else body)
            if ("Content-Length", str(len(body))) not in headers:
                raise End
            return
        match name, len(numbers):
            case "_stcore", _ if args == ["health"]:
                send(self.health, [("Content-Type", "text/plain")], b"ok")
            case "bytes", 1:
                send_head(stream, 200, [("Content-Length", args[0])])
                for piece in pattern(numbers[0]) if request.method != "HEAD" else ():
                    sendall(piece)
            case "chunked", 2:
                send_chunks(stream, request, [b"x" * numbers[1]] * numbers[0])
            case "drip", 2:
                send_chunks(stream, request, self._drip(*numbers))
            case "gated", 1:
                events = self._gated(numbers[0])
                send_chunks(stream, request, events, [("Content-Type", "text/event-stream")])
            case "gated-page", 1:
                parts = itertools.chain([b"<html><head></head>"], self._gated(numbers[0]))
                send_chunks(stream, request, parts, [("Content-Type", "text/html")])
            case "close", 1:
                send_head(stream, 200, [("Connection", "close")])
                for piece in pattern(numbers[0]):
                    sendall(piece)
                raise End
            case "slow", _:
                self.release.wait(float(args[0]))
                send(200, [("Content-Type", "text/plain")], b"slow")
            case "status", 1:
                if numbers[0] == 304:
                    send_head(stream, 304, [("ETag", '"abc"'), ("Content-Length", "1234")])
                else:
                    send(numbers[0], [("Content-Type", "text/plain")], b"status")
            case "redirect", _:
                to = request.target.partition("to=")[2]
                send(302, [("Location", urllib.parse.unquote(to))])
            case "set-cookie", _:
                cookies = ["a=1; Path=/; HttpOnly", "b=2; Expires=Wed, 21 Oct 2037 07:28:00 GMT"]
                send(200, [("Set-Cookie", cookie) for cookie in cookies], b"cookies")
            case "hop", _:
                send(200, HOP, b"hop")
            case "gzip", _:
                headers = [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
                send(200, headers, gzip.compress(b"x" * 10_000))
            case "html", _:
                send(200, [("Content-Type", "text/html; charset=utf-8")], b"<html></html>")
            case "hints", _:
                sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
                send(200, [], b"hints")
            case "reset", _:
                send_head(stream, 200, [("Content-Length", "1000000")])
                sendall(b"x" * 1000)
                reset(stream.sock)
                raise End
            case "reset-chunked", _:
                send_head(stream, 200, [("Transfer-Encoding", "chunked")])
                sendall(b"5\r\nhello\r\n")
                reset(stream.sock)
                raise End
            case "garbage", _:
                sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
                raise End
            case "nothing", _:
                raise End
            case "stale", _:
                send(200, [], b"stale")
                raise End
            case "sink", _:
                send_head(stream, 204, [])
            case _:
                send(200, [("Content-Type", "application/json")], describe(request))

    def _drip(self, count: int, milliseconds: int) -> t.Iterator[bytes]:
        for number in range(count):
            self.release.wait(milliseconds * MS)
            yield b"%d\n" % number

    def _gated(self, count: int) -> t.Iterator[bytes]:
        for number in range(count):
            self.gate.acquire()
            yield b"data: %d\n\n" % number


HOP = [
    ("Connection", "X-Private, keep-alive"),
    ("X-Private", "for the next hop only"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authenticate", "Basic"),
    ("Trailer", "X-Trailer"),
    ("Upgrade", "h2c"),
    ("X-Duplicate", "one"),
    ("X-Duplicate", "two"),
    ("Link", "</a>; rel=a, </b>; rel=b"),
    ("X-Empty", ""),
]


def describe(request: Request) -> bytes:
    """Return the request as JSON."""
    names = ("method", "target", "version", "headers", "body_length", "body_sha256")
    return json.dumps({name: getattr(request, name) for name in names}).encode()


def send_head(stream: Stream, status: int, headers: Headers) -> None:
    lines = [
        f"HTTP/1.1 {status} Status {status}",
        "Server: FakeStreamlit",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        *(f"{name}: {value}" for name, value in headers),
        "\r\n",
    ]
    stream.sock.sendall("\r\n".join(lines).encode())


def send_response(
    stream: Stream, request: Request, status: int, headers: Headers, body: bytes
) -> None:
    if status != 204:
        headers = [*headers, ("Content-Length", str(len(body)))]
    send_head(stream, status, headers)
    if request.method != "HEAD" and status not in (204, 304):
        stream.sock.sendall(body)


def send_chunks(
    stream: Stream,
    request: Request,
    chunks: t.Iterable[bytes],
    headers: t.Iterable[tuple[str, str]] = (),
) -> None:
    send_head(stream, 200, [*headers, ("Transfer-Encoding", "chunked")])
    if request.method != "HEAD":
        for chunk in chunks:
            stream.sock.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        stream.sock.sendall(b"0\r\n\r\n")
