"""WebSocket clients: websocket-client for ordinary use, and one that sends exact bytes."""

from __future__ import annotations

import contextlib
import typing as t

import websocket

from tests.support import frames
from tests.support.frames import Frame
from tests.support.http import Connection, Response
from tests.support.waiting import FACTOR

PATH = "/_stcore/stream"


@contextlib.contextmanager
def connect(
    port: int,
    target: str = PATH,
    *,
    origin: str | None = None,
    cookie: str | None = None,
    headers: t.Iterable[tuple[str, str]] = (),
    subprotocols: t.Iterable[str] = ("streamlit",),
    timeout: float = 20.0,
) -> t.Iterator[websocket.WebSocket]:
    """Open a WebSocket the way Streamlit's page does.

    Its end is not the closing handshake: for that, call ``close()``.

    :param origin: ``None`` for the gateway's own, ``""`` for no such header.
    :raise websocket.WebSocketBadStatusException: The handshake was refused.
    """
    client = websocket.create_connection(
        f"ws://127.0.0.1:{port}{target}",
        timeout=timeout * FACTOR,
        origin=origin,
        suppress_origin=origin == "",
        cookie=cookie,
        header=[f"{name}: {value}" for name, value in headers],
        subprotocols=list(subprotocols),
        http_no_proxy=["*"],
        enable_multithread=True,
    )
    # Its close() leaves the socket open when a close frame was received before.
    assert client.sock is not None
    with client.sock:
        yield client


def handshake(
    connection: Connection,
    target: str = PATH,
    headers: t.Iterable[tuple[str, str]] = (),
    *,
    glued: bytes = b"",
    leave_out: t.Collection[str] = (),
) -> Response:
    """Send a handshake and return the answer's head; bytes after it stay in the buffer.

    :param glued: Sent in one piece with the handshake.
    :param leave_out: Names of headers, in lower case, that are not sent.
    """
    own = [
        ("Host", connection.host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Origin", f"http://{connection.host}"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", frames.new_key()),
        ("Sec-WebSocket-Protocol", "streamlit"),
    ]
    headers = list(headers)
    names = {name.lower() for name, _ in headers} | set(leave_out)
    kept = [(name, value) for name, value in own if name.lower() not in names]
    connection.send_request("GET", target, [*kept, *headers], None, glued)
    return connection.read_head()


class RawWebSocket:
    """A WebSocket of which every frame is made and seen by the test; a context manager."""

    connection_class: t.ClassVar[type[Connection]] = Connection

    def __init__(
        self,
        port: int,
        target: str = PATH,
        headers: t.Iterable[tuple[str, str]] = (),
        glued: t.Iterable[Frame] = (),
    ) -> None:
        self.connection = self.connection_class(port)
        try:
            early = b"".join(self.encode(frame) for frame in glued)
            self.response = handshake(self.connection, target, headers, glued=early)
            assert self.response.status == 101, self.response.raw
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> RawWebSocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.connection.close()

    @staticmethod
    def encode(frame: Frame) -> bytes:
        return frame.encode(mask=b"\x01\x02\x03\x04")

    def send(self, frame: Frame) -> None:
        """Send a frame, masked as a client must."""
        self.connection.send(self.encode(frame))

    def receive(self) -> Frame | None:
        """Return the next frame, control frames included; ``None`` at the end."""
        return frames.read_frame(self.connection)

    def echo(self, text: str) -> str:
        """Send a text and return the next message."""
        self.send(frames.text(text))
        answer = self.receive()
        assert answer is not None, "the connection ended"
        return answer.payload.decode()
