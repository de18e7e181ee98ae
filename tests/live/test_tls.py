"""gunicorn that ends TLS itself: WebSockets stay in the worker, and hold none of its threads."""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import ssl
import threading
import typing as t

import pytest

from tests.support import frames
from tests.support import websocket as websockets
from tests.support.certificates import TlsConnection, certificate
from tests.support.frames import Frame
from tests.support.gateways import WORKER_CLASSES, Gateway
from tests.support.http import Response
from tests.support.processes import Server
from tests.support.tunnel import Answer, Tunnel
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server


class TwoWayConnection(TlsConnection):
    """A TLS connection that one thread may read while another writes to it.

    OpenSSL allows one call at a time: what a read that found nothing has noted in the
    connection, a write changes, and then it looks like the end of the connection. Not every
    Python sees to that: https://github.com/python/cpython/issues/77271
    """

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        super().__init__(port, timeout)
        self._timeout = self.sock.gettimeout()
        self.sock.setblocking(False)
        self._lock = threading.Lock()

    def fill(self) -> bool:
        return bool(self._retry(super().fill))

    def send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            # A record at a time, so that the other thread gets its turn.
            left = left[self._retry(functools.partial(self.sock.send, left[:16384])) :]

    def _retry(self, call: t.Callable[[], int]) -> int:
        """Call when no other thread does, and wait while others may call."""
        while True:
            try:
                with self._lock:
                    return call()
            except ssl.SSLWantReadError:
                event = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                event = selectors.EVENT_WRITE
            with selectors.DefaultSelector() as selector:
                selector.register(self.sock, event)
                if not selector.select(self._timeout):
                    raise TimeoutError(f"nothing happened within {self._timeout} s")


class TlsWebSocket(websockets.RawWebSocket):
    """``wss://``."""

    connection_class = TwoWayConnection


class TlsTunnel(Tunnel):
    """A page of ``https://``."""

    connection_class = TlsConnection
    scheme = "https"


class TlsGateway(Gateway):
    """``gunicorn --certfile``."""

    def __init__(self, worker_class: str, upstream: FakeStreamlit) -> None:
        made = certificate()
        args = ("--certfile", str(made.certificate), "--keyfile", str(made.key))
        super().__init__(worker_class, upstream=upstream, args=args)

    def start(self) -> None:
        Server.start(self)
        self.port = int(self.wait_for_line(r"Listening at: https://127\.0\.0\.1:(\d+)")[1])
        self.wait_ready()

    def request(
        self,
        method: str,
        path: str,
        headers: t.Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Response:
        with TlsConnection(self.port) as connection:
            return connection.request(method, path, [*headers, ("Connection", "close")], body)

    def websocket(
        self,
        headers: t.Iterable[tuple[str, str]] = (),
        glued: t.Iterable[Frame] = (),
        path: str = websockets.PATH,
    ) -> TlsWebSocket:
        origin = ("Origin", f"https://localhost:{self.port}")
        return TlsWebSocket(self.port, self.target(path), [origin, *headers], glued)


@pytest.fixture(scope="module")
def module_upstream() -> t.Iterator[FakeStreamlit]:
    """The fake Streamlit behind all of them."""
    with FakeStreamlit() as server:
        yield server


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def server(
    request: pytest.FixtureRequest, module_upstream: FakeStreamlit
) -> t.Iterator[TlsGateway]:
    """A gateway of each worker class."""
    with TlsGateway(request.param, module_upstream) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def seen(module_upstream: FakeStreamlit) -> FakeStreamlit:
    """What is behind it, with nothing recorded."""
    module_upstream.reset()
    return module_upstream


def test_many_websockets(server: TlsGateway) -> None:
    """More of them than threads; the worker logs them and forgets them."""
    start = len(server.lines)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(server.websocket()) for _ in range(60)]
        for number, websocket in enumerate(opened):
            assert websocket.echo(f"{number}") == f"{number}"
        response = server.get("/healthz")
        assert response.status == 200
        for websocket in opened:
            websocket.send(frames.close(1000))
            answer = websocket.receive()
            assert answer is not None
            assert answer.close_code == 1000
            assert websocket.receive() is None
    opening = "websocket opened"
    eventually(lambda: sum(opening in line for line in server.lines[start:]) == 60, what="60 lines")
    assert not [line for line in server.lines[start:] if "Traceback" in line]


def test_large_messages(server: TlsGateway) -> None:
    """Both ways at once, and a page can be had meanwhile."""
    messages = [os.urandom(3 * 1024 * 1024) for _ in range(3)]

    def send() -> None:
        for message in messages:
            websocket.send(frames.binary(message))

    with server.websocket() as websocket:
        sender = threading.Thread(target=send)
        sender.start()
        assert server.get("/healthz").status == 200
        for message in messages:
            # While the next one is on its way.
            answer = websocket.receive()
            assert answer is not None
            assert answer.payload == message
        sender.join()


def test_early_bytes(server: TlsGateway, seen: FakeStreamlit) -> None:
    """Those that gunicorn has read, and those that OpenSSL still has of the same record."""
    seen.greeting = frames.text("welcome").encode()
    long = "x" * 12_000
    with server.websocket(glued=[frames.text("one"), frames.text(long)]) as websocket:
        answers = [websocket.receive() for _ in range(3)]

    assert [frame.payload.decode() for frame in answers if frame] == ["welcome", "one", long]


def test_streamlit_knows_of_https(server: TlsGateway, seen: FakeStreamlit) -> None:
    with server.websocket() as websocket:
        websocket.echo("hello")
        request = seen.wait_for_websocket().request

    assert request.get("X-Forwarded-Proto") == "https"


def test_the_clients_end(server: TlsGateway, seen: FakeStreamlit) -> None:
    """Streamlit learns of it."""
    with server.websocket() as websocket:
        websocket.echo("hello")

    assert seen.wait_for_websocket().ended.wait(10)


def test_tunnels(server: TlsGateway) -> None:
    """Nothing waits here, as it would hold a thread: pages poll."""
    with TlsTunnel(server.port) as page:
        probe = Answer(page.request("probe?key=0123456789abcdef"))
        assert probe.state.words == ("no-hold",)
        opened = page.open(transport="short-poll", reason="websocket-refused+no-hold")
        assert opened.json()["hold"] is False
        assert "; Secure" in opened.get("Set-Cookie")
        for mode in ("stream", "long-poll"):
            # What asks to wait is answered at once.
            answer = page.exchange(wait=20, mode=mode)
            assert (answer.status, answer.data, answer.response.complete) == (200, b"", True)
        for text in ("hello", "x" * 200_000):
            assert page.echo(text) == text
