from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

import pytest

from fluxsync.upstream import connections
from tests.support.http import Stream

#: Receives the requests of one connection, and answers them.
Handler = t.Callable[[Stream], None]
Serve = t.Callable[..., tuple[str, int]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep idle connections for as long as a busy machine takes to use them again."""
    monkeypatch.setattr(connections, "MAX_IDLE", 3600.0)


@pytest.fixture
def serve() -> t.Iterator[Serve]:
    """Serve exact bytes: ``address = serve(first, second, ...)``, a handler per connection."""
    with contextlib.ExitStack() as stack:

        def start(*handlers: Handler) -> tuple[str, int]:
            listener = socket.create_server(("127.0.0.1", 0))

            def run() -> None:
                with listener:
                    for handler in handlers:
                        sock, _ = listener.accept()
                        with sock, contextlib.suppress(OSError):
                            handler(Stream(sock))

            thread = threading.Thread(target=run, name="exact-bytes", daemon=True)
            thread.start()
            stack.callback(thread.join, 10)
            address: tuple[str, int] = listener.getsockname()
            return address

        yield start


def answering(*answers: bytes) -> Handler:
    """Return a handler that gives each request its answer, and then ends the connection."""

    def handle(stream: Stream) -> None:
        for answer in answers:
            stream.read_until(b"\r\n\r\n")
            stream.sock.sendall(answer)

    return handle


@pytest.fixture
def refused() -> tuple[str, int]:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address: tuple[str, int] = listener.getsockname()
    return address


@pytest.fixture
def silent() -> t.Iterator[tuple[str, int]]:
    """An address that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()


@pytest.fixture
def full() -> t.Iterator[tuple[str, int]]:
    """An address that takes no more connections, and doesn't refuse them."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address: tuple[str, int] = listener.getsockname()
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(address)
        yield address
