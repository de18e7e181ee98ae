"""A server of exact bytes, and observations that nobody has made."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

import pytest

from fluxsync.diagnostics.address import Address, parse

Serve = t.Callable[[t.Callable[[socket.socket], None]], Address]


@pytest.fixture
def serve() -> t.Iterator[Serve]:
    """Start a server that does the same with each connection, and return its address."""
    with contextlib.ExitStack() as stack:

        def start(handle: t.Callable[[socket.socket], None]) -> Address:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=accept, args=(listener, handle))
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return parse(f"http://127.0.0.1:{listener.getsockname()[1]}/")

        yield start


def accept(listener: socket.socket, handle: t.Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client = listener.accept()[0]
            with client, contextlib.suppress(OSError):
                handle(client)


def read_head(client: socket.socket) -> bytes:
    """Return a request's head, and what came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            break
        data += piece
    return data
