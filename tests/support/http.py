"""An HTTP/1.1 client that sends exact bytes and shows exactly what came back."""

from __future__ import annotations

import json
import socket
import typing as t
from dataclasses import dataclass, field

from tests.support.waiting import FACTOR

Headers = list[tuple[str, str]]


@dataclass
class Message:
    """Start line and headers, in the order and the case they came in."""

    start_line: str
    headers: Headers
    raw: bytes = b""

    def get(self, name: str, default: str = "") -> str:
        """Return the only value of a header; fail when there are several."""
        values = self.all(name)
        assert len(values) <= 1, f"several {name}: {values}"
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))


@dataclass
class Response(Message):
    """A response; ``complete`` is false when the connection ended in the middle of it."""

    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = True

    @property
    def version(self) -> str:
        return self.start_line.split(" ", 2)[0]

    @property
    def status(self) -> int:
        return int(self.start_line.split(" ", 2)[1])

    @property
    def reason(self) -> str:
        return self.start_line.split(" ", 2)[2]

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> t.Any:
        return json.loads(self.body)


def parse_head(raw: bytes) -> Message:
    """Parse a head without its empty line."""
    start_line, *lines = raw.decode("latin-1").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        assert colon, f"malformed header line {line!r}"
        assert name == name.strip(), f"malformed header line {line!r}"
        headers.append((name, value.strip()))
    return Message(start_line, headers, raw)


class Stream:
    """A connected socket with a buffer; used by client and server alike."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.was_reset = False

    def fill(self) -> bool:
        """Receive some bytes; return ``False`` at the end of the stream or after a reset."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            self.was_reset = True
            return False
        self.buffer += data
        return bool(data)

    def read_until(self, mark: bytes) -> bytes | None:
        """Return the bytes before the mark, which is consumed; ``None`` at the end."""
        while mark not in self.buffer:
            if not self.fill():
                return None
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def pieces(self, count: int) -> t.Iterator[bytes]:
        """Yield ``count`` bytes in pieces as they arrive, fewer at the end of the stream."""
        while count and (self.buffer or self.fill()):
            piece, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(piece)
            yield piece

    def read(self, count: int) -> bytes:
        """Return ``count`` bytes; fail when the stream ends before."""
        data = b"".join(self.pieces(count))
        if len(data) < count:
            raise ConnectionError(f"the stream ended after {len(data)} of {count} bytes")
        return data

    def chunks(self) -> t.Iterator[bytes | None]:
        """Yield chunk by chunk a chunked body; ``None`` last when it does not end properly."""
        while True:
            size = self.read_until(b"\r\n")
            if size is None:
                yield None
                return
            count = int(size.split(b";")[0], 16)
            if count == 0:
                while line := self.read_until(b"\r\n"):  # trailers
                    pass
                if line is None:
                    yield None
                return
            data = b"".join(self.pieces(count))
            if data:
                yield data
            if len(data) < count or self.read_until(b"\r\n") is None:
                yield None
                return


class Connection(Stream):
    """A client connection; a context manager.

    :param timeout: Seconds that one receive or send may take.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 20.0) -> None:
        super().__init__(socket.create_connection((host, port), timeout * FACTOR))
        self.host = f"{host}:{port}"

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close at once, with a reset instead of an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send exactly these bytes."""
        self.sock.sendall(data)

    def send_request(
        self,
        method: str,
        target: str,
        headers: t.Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        glued: bytes = b"",
    ) -> None:
        """Send a request; ``Host`` and ``Content-Length`` are added when they are missing.

        :param glued: Sent in one piece with the request, and no part of it.
        """
        headers = list(headers)
        names = {name.lower() for name, _ in headers}
        if "host" not in names:
            headers.insert(0, ("Host", self.host))
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            headers.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        # Not every target is ASCII: browsers encode, but other clients send what they have.
        self.send("\r\n".join([*lines, "", ""]).encode() + (body or b"") + glued)

    def read_head(self) -> Response:
        """Return the next response without its body; interim responses count."""
        raw = self.read_until(b"\r\n\r\n")
        if raw is None:
            raise ConnectionError(f"the connection ended before a response: {self.buffer!r}")
        head = parse_head(raw)
        return Response(head.start_line, head.headers, raw)

    def iter_body(self, response: Response, method: str = "GET") -> t.Iterator[bytes]:
        """Yield the body as it arrives: chunk by chunk, or what one receive returned."""
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return
        if "chunked" in response.get("Transfer-Encoding").lower():
            for chunk in self.chunks():
                if chunk is None:
                    response.complete = False
                else:
                    yield chunk
        elif "Content-Length" in response:
            left = int(response.get("Content-Length"))
            for piece in self.pieces(left):
                left -= len(piece)
                yield piece
            response.complete = left == 0
        else:
            while self.buffer or self.fill():
                piece, self.buffer = self.buffer, b""
                yield piece
            response.complete = not self.was_reset

    def read_response(self, method: str = "GET") -> Response:
        """Return the next final response with its body."""
        while (response := self.read_head()).status < 200 and response.status != 101:
            pass
        response.chunks = list(self.iter_body(response, method))
        response.body = b"".join(response.chunks)
        return response

    def request(
        self,
        method: str,
        target: str,
        headers: t.Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Response:
        """Send a request and return its response."""
        self.send_request(method, target, headers, body)
        return self.read_response(method)

    def is_closed(self) -> bool:
        """Wait until something arrives; return whether it is the end of the connection."""
        return not self.buffer and not self.fill()


class UnixConnection(Connection):
    """One to a Unix socket.

    :param path: Where it is.
    """

    def __init__(self, path: str, timeout: float = 20.0) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout * FACTOR)
        try:
            sock.connect(path)
        except BaseException:
            sock.close()
            raise
        Stream.__init__(self, sock)
        self.host = "localhost"


def request(
    port: int,
    method: str,
    target: str,
    headers: t.Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    timeout: float = 20.0,
) -> Response:
    """Make one request on a connection of its own."""
    with Connection(port, timeout=timeout) as connection:
        return connection.request(method, target, [*headers, ("Connection", "close")], body)


def get(port: int, target: str, headers: t.Iterable[tuple[str, str]] = ()) -> Response:
    return request(port, "GET", target, headers)


def post(
    port: int, target: str, body: bytes, headers: t.Iterable[tuple[str, str]] = ()
) -> Response:
    return request(port, "POST", target, headers, body)
