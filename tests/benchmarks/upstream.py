"""What every contender stands in front of: a server of bytes that costs next to nothing.

``GET /bytes/<n>`` answers ``n`` bytes; ``POST /sink`` counts what it gets. A WebSocket on any
path echoes, and on the message ``push <count> <size>`` it sends that many frames. Everything
else is answered ``ok``. One thread, one selector, bodies that are made once.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import os
import selectors
import socket
import typing as t

from tests.support.frames import BINARY, CLOSE, PING, PONG, TEXT, Frame, accept_key, xor

BLOCK = memoryview(os.urandom(1 << 20))
RECEIVE = 1 << 18
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@functools.lru_cache(32)
def response(body: bytes, kind: bytes = b"text/plain") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (kind, len(body)) + body


@functools.lru_cache(32)
def small(size: int) -> bytes:
    return response(bytes(BLOCK[:size]), b"application/octet-stream")


def large(size: int) -> t.Iterator[memoryview]:
    """Return a response too large to be kept, piece by piece."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
    )
    yield memoryview(head % size)
    yield from itertools.repeat(BLOCK, size // len(BLOCK))
    yield BLOCK[: size % len(BLOCK)]


class Connection:
    """One client. While it doesn't take what it's sent, nothing more of it is read."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.buffer = bytearray()
        self.handle: t.Callable[[], bool] = self.request
        self.skipped = 0
        self.left = 0
        self.pieces: t.Iterator[memoryview | bytes] = iter(())
        self.rest: memoryview | bytes = b""

    # What comes in; handlers return whether there may be more in the buffer.

    def readable(self) -> None:
        data = self.sock.recv(RECEIVE)
        if not data:
            raise ConnectionError
        if self.left >= len(data):  # within an upload: only counted
            self.left -= len(data)
            self.skipped += len(data)
            if self.left:
                return
            data = b""
        self.buffer += data
        self.work()

    def work(self) -> None:
        while not self.rest and self.handle():
            pass

    def request(self) -> bool:
        if not self.buffer:
            return False
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        target = head.split(b" ", 2)[1].partition(b"?")[0]
        if head.startswith(b"GET"):
            if target.startswith(b"/bytes/"):
                size = int(target[7:])
                self.send(iter([small(size)]) if size <= len(BLOCK) else large(size))
                return True
            key = field(head, b"sec-websocket-key")
            if key:
                self.upgrade(head, key)
                return True
        self.skipped = 0
        if field(head, b"expect"):
            self.send(iter([CONTINUE]))
        if field(head, b"transfer-encoding").lower() == b"chunked":
            self.handle = self.chunk
        else:
            self.left = int(field(head, b"content-length") or b"0")
            self.handle = self.body
        return True

    def body(self) -> bool:
        """Take the rest of a body of known length, and answer."""
        taken = min(self.left, len(self.buffer))
        del self.buffer[:taken]
        self.left -= taken
        self.skipped += taken
        if self.left:
            return False
        self.handle = self.request
        self.send(iter([response(b"%d" % self.skipped if self.skipped else b"ok")]))
        return True

    def chunk(self) -> bool:
        """Take the size of the next chunk."""
        end = self.buffer.find(b"\r\n")
        if end < 0:
            return False
        size = int(bytes(self.buffer[:end]), 16)
        if not size and len(self.buffer) < end + 4:
            return False
        del self.buffer[: end + (2 if size else 4)]
        self.left = size
        self.handle = self.chunk_data if size else self.body
        return True

    def chunk_data(self) -> bool:
        """Take the data of a chunk, and the end of line after it."""
        taken = min(self.left, len(self.buffer))
        del self.buffer[:taken]
        self.left -= taken
        self.skipped += taken
        if self.left or len(self.buffer) < 2:
            return False
        del self.buffer[:2]
        self.handle = self.chunk
        return True

    # WebSockets

    def upgrade(self, head: bytes, key: bytes) -> None:
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key.decode())}\r\n"
        ).encode()
        protocol = field(head, b"sec-websocket-protocol").partition(b",")[0].strip()
        if protocol:
            answer += b"Sec-WebSocket-Protocol: %b\r\n" % protocol
        self.send(iter([answer + b"\r\n"]))
        self.handle = self.frame

    def frame(self) -> bool:
        """Answer one frame."""
        buffer = self.buffer
        if len(buffer) < 2:
            return False
        size, start = buffer[1] & 0x7F, 6
        if size > 125:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(buffer[2 : 2 + width], "big"), 6 + width
        if len(buffer) < start + size:
            return False
        mask = bytes(buffer[start - 4 : start])
        payload = bytes(buffer[start : start + size])
        opcode = buffer[0] & 0x0F
        del buffer[: start + size]
        if mask != b"\0\0\0\0":
            payload = xor(payload, mask)
        if opcode == TEXT and payload.startswith(b"push "):
            _, count, length = payload.split()
            self.send(itertools.repeat(pushed(int(length)), int(count)))
        elif opcode != PONG:
            reply = {PING: PONG, CLOSE: CLOSE}.get(opcode, BINARY)
            self.send(iter([Frame(0x80 | reply, payload).encode()]))
        return True

    # What goes out

    def send(self, pieces: t.Iterator[memoryview | bytes]) -> None:
        self.pieces = pieces
        if not self.flush():
            self.server.wait_for(self, selectors.EVENT_WRITE)

    def flush(self) -> bool:
        """Send until the end, or until the client takes no more; return whether all went."""
        while piece := self.rest or next(self.pieces, b""):
            try:
                sent = self.sock.send(piece)
            except BlockingIOError:
                sent = 0
            self.rest = b"" if sent == len(piece) else memoryview(piece)[sent:]
            if not sent:
                return False
        return True

    def writable(self) -> None:
        if self.flush():
            self.server.wait_for(self, selectors.EVENT_READ)
            self.work()


@functools.lru_cache(4)
def pushed(size: int) -> bytes:
    return Frame(0x80 | BINARY, bytes(BLOCK[:size])).encode()


def field(head: bytes, name: bytes) -> bytes:
    """Return the value of a header field, ``b""`` if there's none."""
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    return head[start + len(name) + 3 :].partition(b"\r\n")[0].strip()


class Server:
    """Accepts, and wakes the connections."""

    def __init__(self, port: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def wait_for(self, connection: Connection, events: int) -> None:
        self.selector.modify(connection.sock, events, connection)

    def accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self.listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(self, sock)
                self.selector.register(sock, selectors.EVENT_READ, connection)

    def serve(self) -> t.NoReturn:
        while True:
            for key, events in self.selector.select():
                if key.data is None:
                    self.accept()
                    continue
                try:
                    if events & selectors.EVENT_WRITE:
                        key.data.writable()
                    else:
                        key.data.readable()
                except OSError:
                    self.selector.unregister(key.data.sock)
                    key.data.sock.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    Server(parser.parse_args().port).serve()
