"""The page's end of a tunnel, request by request, as a test wants it."""

from __future__ import annotations

import contextlib
import json
import typing as t

from tests.support import frames, http
from tests.support.frames import Frame
from tests.support.records import Records, State
from tests.support.waiting import Deadline

if t.TYPE_CHECKING:
    from typing_extensions import Self

PATH = "/__fluxsync/tunnel"
FIELD = "X-Fluxsync-Tunnel"
COOKIE = "fluxsync_browser"
PROTOCOLS = ("streamlit", "PLACEHOLDER_AUTH_TOKEN")
TRANSPORTS = ("stream", "long-poll", "short-poll")
#: Changes nothing of a payload.
MASK = bytes(4)
#: Most bytes of a request.
PIECE = 256 * 1024


class Answer:
    """The answer to an exchange, as far as it came."""

    def __init__(self, response: http.Response) -> None:
        self.response = response
        self.status = response.status
        self.records = Records()
        if self.status == 200:
            self.records.feed(response.body)

    @property
    def state(self) -> State:
        return self.records.states[0]

    @property
    def data(self) -> bytes:
        return self.records.data


class Tunnel:
    """A page that has no WebSocket; a context manager, whose end is the page's.

    :param target: Mount of the gateway.
    :param headers: More fields of all requests, or others; one without a value isn't sent.
    """

    connection_class: t.ClassVar[type[http.Connection]] = http.Connection
    scheme = "http"

    def __init__(
        self, port: int, target: str = "", headers: t.Iterable[tuple[str, str]] = ()
    ) -> None:
        self.port = port
        self.target = target
        self.headers = list(headers)
        self.id = "new"
        self.cookie = ""
        self.mode = "long-poll"
        #: What was sent and has been received.
        self.sent = self.received = 0
        self._acknowledged = 0
        self._buffer = b""
        self._stream: _Stream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.drop_stream()
        if self.id != "new":
            with contextlib.suppress(OSError):
                self.request("close")

    def connection(self) -> http.Connection:
        return self.connection_class(self.port)

    def fields(self, host: str, extra: t.Iterable[tuple[str, str]] = ()) -> http.Headers:
        """Return a request's header fields; later ones replace earlier ones."""
        fields = {FIELD: self.id, "Origin": f"{self.scheme}://{host}"}
        if self.cookie:
            fields["Cookie"] = f"{COOKIE}={self.cookie}"
        given = {
            name.lower(): (name, value) for name, value in [*fields.items(), *self.headers, *extra]
        }
        return [(name, value) for name, value in given.values() if value]

    def request(
        self, verb: str, body: bytes = b"", headers: t.Iterable[tuple[str, str]] = ()
    ) -> http.Response:
        with self.begin(verb, body, [("Connection", "close"), *headers]) as connection:
            return connection.read_response("POST")

    def begin(
        self, verb: str, body: bytes = b"", headers: t.Iterable[tuple[str, str]] = ()
    ) -> http.Connection:
        """Send a request, and leave its response to the test."""
        connection = self.connection()
        target = f"{self.target}{PATH}/{verb}"
        connection.send_request("POST", target, self.fields(connection.host, headers), body)
        return connection

    def open(
        self,
        protocols: t.Sequence[str] = PROTOCOLS,
        transport: str = "long-poll",
        reason: str = "websocket-refused",
    ) -> http.Response:
        """Open it; the test looks at the status."""
        opening = {"protocols": list(protocols), "transport": transport, "reason": reason}
        response = self.request("open", json.dumps(opening).encode())
        self.mode = transport
        if response.status == 200:
            self.id = response.json()["id"]
            cookie = response.get("Set-Cookie").partition(";")[0]
            if cookie:
                self.cookie = cookie.partition("=")[2]
        return response

    def query(
        self,
        *,
        sent: int | None = None,
        received: int | None = None,
        wait: int = 0,
        limit: int = PIECE,
        mode: str | None = None,
    ) -> str:
        """Return an exchange's target."""
        sent = self.sent if sent is None else sent
        received = self.received if received is None else received
        mode = mode or self.mode
        return f"exchange?sent={sent}&received={received}&wait={wait}&limit={limit}&mode={mode}"

    def exchange(self, body: bytes = b"", **query: t.Any) -> Answer:
        """Make an exchange. What the test doesn't say is as a page would have it."""
        answer = Answer(self.request(self.query(**query), body))
        if answer.status == 200:
            self.take(answer)
        return answer

    def hold(self, mode: str | None = None) -> http.Connection:
        """Begin an exchange that waits."""
        return self.begin(self.query(wait=20, mode=mode))

    def take(self, answer: Answer) -> None:
        """Take note of what an answer says."""
        self.sent = max(self.sent, answer.state.received)
        for position, data in answer.records.pieces:
            self.put(position, data)

    def put(self, position: int, data: bytes) -> None:
        """Take a piece of Streamlit's stream, as much as is new of it."""
        assert position <= self.received, f"{position - self.received} bytes are missing"
        fresh = data[self.received - position :]
        self.received += len(fresh)
        self._buffer += fresh

    def send(self, frame: Frame) -> None:
        """Send a frame, piece by piece."""
        self.push(frame.encode(MASK))

    def push(self, data: bytes) -> None:
        """Continue the page's stream."""
        begin, deadline = self.sent, Deadline(20)
        while self.sent < begin + len(data):
            assert not deadline.expired, "the tunnel takes nothing"
            piece = data[self.sent - begin :][:PIECE]
            answer = self.exchange(piece, limit=0)
            assert answer.status == 200, answer.response.raw + answer.response.body

    def receive(self) -> Frame:
        """Return the next frame, in the way that the transport has."""
        deadline = Deadline(20)
        while (frame := self.next_frame()) is None:
            assert not deadline.expired, "nothing comes"
            if self.mode == "stream":
                self._receive_stream()
            else:
                answer = self.exchange(wait=0 if self.mode == "short-poll" else 20)
                assert answer.status == 200, answer.response.raw
        return frame

    def _receive_stream(self) -> None:
        stream = self._stream = self._stream or _Stream(self.hold())
        if not stream.feed():
            self.drop_stream()
        for position, data in stream.records.pieces:
            self.put(position, data)
        stream.records.pieces.clear()
        if self.received - self._acknowledged >= PIECE // 2:
            self._acknowledged = self.received
            assert self.exchange(limit=0).status == 200

    def drop_stream(self) -> None:
        """Close the connection of a streamed response, if there's one."""
        if self._stream is not None:
            self._stream.connection.close()
            self._stream = None

    def echo(self, text: str) -> str:
        """Send a text and return the next message."""
        self.send(frames.text(text))
        return self.receive().payload.decode()

    def forget(self) -> None:
        """Forget what has come."""
        self._buffer = b""

    def next_frame(self) -> Frame | None:
        """Return the next frame if it has come."""
        stream = _Buffered(self._buffer)
        try:
            frame = frames.read_frame(t.cast("http.Stream", stream))
        except ConnectionError:
            return None
        if frame is not None:
            self._buffer = stream.buffer
        return frame


def assert_problem(response: http.Response, status: int) -> None:
    """The answer says what is wrong, in the form that the page's script knows."""
    assert response.status == status, response.raw + response.body
    assert response.get("Content-Type") == "application/problem+json"
    assert response.get(FIELD) == "1"
    problem = response.json()
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["detail"]
    assert "no-store" in response.get("Cache-Control")


class _Stream:
    """A streamed response."""

    def __init__(self, connection: http.Connection) -> None:
        self.connection = connection
        self.records = Records()
        try:
            self.response = connection.read_head()
            assert self.response.status == 200, self.response.raw
        except BaseException:
            connection.close()
            raise
        self._body = connection.iter_body(self.response)

    def feed(self) -> bool:
        """Wait for the next chunk; return whether there was one."""
        chunk = next(self._body, None)
        if chunk is not None:
            self.records.feed(chunk)
        return chunk is not None


class _Buffered:
    """What has come, read like a connection that ends there."""

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer

    def fill(self) -> bool:
        return False

    def read(self, count: int) -> bytes:
        if len(self.buffer) < count:
            raise ConnectionError("not all of it has come")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data
