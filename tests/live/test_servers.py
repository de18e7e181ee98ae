"""Other WSGI servers than gunicorn: Werkzeug's, waitress."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from tests.support import frames, http, websocket
from tests.support.processes import PYTHON, Server, free_port
from tests.support.tunnel import TRANSPORTS, Answer, Tunnel
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

PROGRAMS = {
    "werkzeug": (
        "from werkzeug.serving import run_simple\n"
        "from fluxsync.wsgi import app\n"
        "run_simple('127.0.0.1', {port}, app, threaded=True)\n"
    ),
    "waitress": (
        "import waitress\n"
        "from fluxsync.wsgi import app\n"
        "waitress.serve(app, listen='127.0.0.1:{port}', threads=2)\n"
    ),
}


class OtherServer(Server):
    """A program that serves ``fluxsync.wsgi:app`` by itself."""

    def __init__(self, program: str, upstream: FakeStreamlit) -> None:
        self.port = free_port()
        env = {
            "FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url,
            "FLUXSYNC_APP": "tests.live.apps:app",
            "FLUXSYNC_GATEWAY_MAX_PROXY_REQUEST_BODY_BYTES": "1000000",
        }
        super().__init__(*PYTHON, "-c", program.format(port=self.port), env=env)

    def start(self) -> None:
        super().start()
        eventually(self._is_ready, 20, lambda: self.output)

    def _is_ready(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return http.get(self.port, "/readyz").status == 200
        return False


@pytest.fixture(scope="module", params=PROGRAMS)
def other(
    request: pytest.FixtureRequest, shared_upstream: FakeStreamlit
) -> t.Iterator[OtherServer]:
    with OtherServer(PROGRAMS[request.param], shared_upstream) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_recorded(shared_upstream: FakeStreamlit) -> None:
    shared_upstream.reset()


def test_everything_is_served(other: OtherServer) -> None:
    assert http.get(other.port, "/api/echo").json()["script_root"] == "/api"
    assert http.get(other.port, "/a%2Fb?x=%2F").json()["target"] == "/a%2Fb?x=%2F"
    assert http.post(other.port, "/echo", b"hello").json()["body_length"] == 5
    assert len(http.get(other.port, "/bytes/1000000").body) == 1_000_000


def test_websockets_hold_no_thread(other: OtherServer) -> None:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(websocket.RawWebSocket(other.port)) for _ in range(50)]
        assert http.get(other.port, "/healthz").status == 200
        for number, socket in enumerate(opened):
            assert socket.echo(f"{number}") == f"{number}"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_tunnels(other: OtherServer, transport: str) -> None:
    with Tunnel(other.port) as page:
        assert page.open(transport=transport).json()["hold"] is True
        for text in ("hello", "x" * 200_000):
            assert page.echo(text) == text


def test_waiting_pages_hold_no_thread(other: OtherServer) -> None:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(Tunnel(other.port)) for _ in range(10)]
        for page in opened:
            assert page.open().status == 200
        held = [stack.enter_context(page.hold()) for page in opened]
        assert http.get(other.port, "/healthz").status == 200
        for number, page in enumerate(opened):
            page.send(frames.text(f"{number}"))
            page.take(Answer(held[number].read_response("POST")))
            assert page.receive() == frames.text(f"{number}")


def test_early_frames_are_not_lost(other: OtherServer) -> None:
    glued = [frames.text("first"), frames.text("second")]
    with websocket.RawWebSocket(other.port, glued=glued) as socket:
        answers = [socket.receive() for _ in glued]

    assert [answer.payload for answer in answers if answer] == [b"first", b"second"]


def test_chunked_uploads(other: OtherServer, shared_upstream: FakeStreamlit) -> None:
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

    assert (
        http.request(other.port, "PUT", "/sink", [("Transfer-Encoding", "chunked")], body).status
        == 204
    )
    assert shared_upstream.sinks.get(timeout=10).body == b"hello world"


def test_body_limit(other: OtherServer) -> None:
    response = http.post(other.port, "/echo", b"x" * 1_000_001)

    assert response.status == 413
    assert "gateway_max_proxy_request_body_bytes" in response.text
