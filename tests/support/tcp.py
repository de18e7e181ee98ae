"""A TCP proxy that can cut its connections, as a bad network does."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.support.leaks import Service
from tests.support.upstream import reset


class CuttableProxy(Service):
    """Forwards bytes to a port of this machine until told to cut; a context manager."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        #: While false, new connections are reset at once.
        self.open = True
        #: Number of connections so far, refused ones included.
        self.accepted = 0
        #: Number of bytes so far, in both directions.
        self.passed = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._acceptor = threading.Thread(target=self._accept, name="tcp-proxy", daemon=True)

    def __enter__(self) -> CuttableProxy:
        Service.running.add(self)
        self._acceptor.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self.cut()
        for thread in self.owned_threads():
            thread.join()
        Service.running.discard(self)

    def cut(self) -> None:
        """End every connection at once."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

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
                    client, _ = self._listener.accept()
                except OSError:
                    return
                self.accepted += 1
                if self.open:
                    self._forward(client)
                else:
                    reset(client)

    def _forward(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port))
        except OSError:
            reset(client)
            return
        ends = (client, server)
        # Whichever copy ends last closes both sockets: no number is used again before.
        left = threading.Semaphore(1)
        for source, sink in (ends, ends[::-1]):
            thread = threading.Thread(
                target=self._copy, args=(source, sink, left), name="tcp-proxy-copy", daemon=True
            )
            with self._lock:
                self._sockets.add(source)
                self._threads.add(thread)
            thread.start()

    def _copy(self, source: socket.socket, sink: socket.socket, left: threading.Semaphore) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self.passed += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        last = not left.acquire(blocking=False)
        with self._lock:
            if last:
                for sock in (source, sink):
                    sock.close()
                    self._sockets.discard(sock)
            self._threads.discard(threading.current_thread())
