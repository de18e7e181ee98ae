"""WebSockets of the load: their frames are made beforehand, and only counted when they come."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
import typing as t

from tests.benchmarks.load import PATIENCE, VIEW, LoadError, connect, get
from tests.support.frames import BINARY, CLOSE, PING, PONG, TEXT, Frame, new_key

_NO_MASK = b"\0\0\0\0"


def masked(payload: bytes, opcode: int = BINARY) -> bytes:
    """Return a client's frame; the mask of zeros leaves the payload as it is."""
    return Frame(0x80 | opcode, payload).encode(_NO_MASK)


class Frames:
    """Counts the messages in what comes on a WebSocket, and answers pings."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._head = b""
        self._left = 0

    def read(self) -> int:
        """Take what has come, and return how many messages have ended in it."""
        size = self.sock.recv_into(VIEW)
        if not size:
            raise LoadError("the WebSocket was closed")
        if size <= self._left:  # in the middle of a frame
            self._left -= size
            return not self._left
        return self._parse(bytes(VIEW[:size]))

    def _parse(self, data: bytes) -> int:
        ended = 0
        if self._left:
            data = data[self._left :]
            self._left = 0
            ended = 1
        data = self._head + data
        at = 0
        while (head := _head_of(data, at)) is not None:
            start, size = head
            opcode = data[at] & 0x0F
            if opcode > 7:  # control frames are short, and rare
                if len(data) < start + size:
                    break
                if opcode == CLOSE:
                    raise LoadError(f"closed: {data[start : start + size]!r}")
                if opcode == PING:
                    self.sock.sendall(masked(data[start : start + size], PONG))
            elif len(data) < start + size:
                self._left = start + size - len(data)
                at = len(data)
                break
            else:
                ended += 1
            at = start + size
        self._head = data[at:]
        return ended


def _head_of(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at an index begins, and its size."""
    if len(data) < at + 2:
        return None
    size = data[at + 1] & 0x7F
    if size < 126:
        return at + 2, size
    width = 2 if size == 126 else 8
    if len(data) < at + 2 + width:
        return None
    return at + 2 + width, int.from_bytes(data[at + 2 : at + 2 + width], "big")


class EchoClient:
    """Sends a message on a WebSocket whenever the last one has come back."""

    def __init__(self, sock: socket.socket, size: int, interval: float = 0.0) -> None:
        self.sock = sock
        self.interval = interval
        self.latencies: list[float] = []
        self._frame = masked(b"x" * size)
        self._frames = Frames(sock)

    def send(self) -> None:
        self.sock.sendall(self._frame)

    def readable(self) -> bool:
        return self._frames.read() > 0


class PushClient:
    """Asks for frames on a WebSocket, and counts them."""

    interval = 0.0

    def __init__(self, sock: socket.socket, count: int, size: int) -> None:
        self.sock = sock
        self.latencies: list[float] = []
        self._request = masked(b"push %d %d" % (count, size), TEXT)
        self._count = count
        self._left = 0
        self._frames = Frames(sock)

    def send(self) -> None:
        self._left = self._count
        self.sock.sendall(self._request)

    def readable(self) -> bool:
        self._left -= self._frames.read()
        return self._left <= 0


def open_websockets(port: int, count: int, at_once: int = 16) -> list[socket.socket]:
    """Open WebSockets, so many at the same time.

    :raise LoadError: One was refused.
    """
    done: list[socket.socket] = []
    selector = selectors.DefaultSelector()
    answers: dict[socket.socket, bytes] = {}
    request = get(
        port,
        "/_stcore/stream",
        {
            "Origin": f"http://127.0.0.1:{port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": new_key(),
            # Browsers on Streamlit's pages do so, and one of the peers takes no others.
            "Sec-WebSocket-Protocol": "streamlit",
        },
    )
    try:
        while len(done) < count:
            while len(answers) < at_once and len(answers) + len(done) < count:
                sock = connect(port)
                sock.sendall(request)
                selector.register(sock, selectors.EVENT_READ)
                answers[sock] = b""
            events = selector.select(PATIENCE)
            if not events:
                raise LoadError(f"no WebSocket within {PATIENCE} s, after {len(done)}")
            for key, _ in events:
                sock = t.cast(socket.socket, key.fileobj)
                answers[sock] += _more(sock, len(done))
                if b"\r\n\r\n" not in answers[sock]:
                    continue
                answer = answers.pop(sock)
                selector.unregister(sock)
                done.append(sock)
                if answer[9:12] != b"101":
                    raise LoadError(f"WebSocket {len(done)} was refused: {answer[:200]!r}")
    except BaseException as e:
        for sock in [*done, *answers]:
            sock.close()
        if isinstance(e, OSError):
            raise LoadError(f"WebSocket {len(done) + 1}: {e}") from e
        raise
    finally:
        selector.close()
    return done


def _more(sock: socket.socket, number: int) -> bytes:
    # One byte past the answer would be lost here; nobody speaks first in these benchmarks.
    data = sock.recv(4096)
    if not data:
        raise LoadError(f"closed in the handshake of WebSocket {number + 1}")
    return data


def echoing(sockets: t.Sequence[socket.socket], timeout: float) -> int:
    """Send a message on each of the WebSockets, and return how many have come back in time."""
    deadline = time.monotonic() + timeout
    frame = masked(b"alive?")
    found = 0
    with selectors.DefaultSelector() as selector:
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.sendall(frame)
                selector.register(sock, selectors.EVENT_READ, Frames(sock))
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                try:
                    answered = key.data.read()
                except (LoadError, OSError):
                    selector.unregister(key.fileobj)
                    continue
                if answered:
                    found += 1
                    selector.unregister(key.fileobj)
    return found
