"""One trace through all processes, and the life of a WebSocket, which is in none of them."""

from __future__ import annotations

import typing as t

import pytest

from tests.conftest import StartGateway, StartServer
from tests.live.served import Application
from tests.support import http
from tests.support import websocket as websockets
from tests.support.collector import Collector, Span
from tests.support.scripts import run_script
from tests.support.tunnel import Tunnel
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live_server

APP = """
import os

from fluxsync import FluxSync

app = FluxSync(title="Traced")


@app.api.get("/pid")
def pid():
    return {"pid": os.getpid()}


@app.websocket("/echo")
def echo(ws):
    ws.send(ws.receive())


@app.page("/")
def home(st, client):
    st.text(f"{client.get('/pid').json()['pid']} {os.getpid()}")
    st.text(os.environ["OTEL_SERVICE_NAME"])
"""
#: A body that isn't waited for.
LARGE = 1024 * 1024
PARENT = f"00-{'1' * 31}a-{'2' * 15}b-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def is_in(inner: Span, outer: Span) -> bool:
    return (inner.trace, inner.parent) == (outer.trace, outer.id)


@pytest.mark.streamlit
def test_one_trace(collector: Collector, serve: StartServer) -> None:
    """Browser's WebSocket, run of the page, its call, the API's view, in three processes."""
    site = Application(
        files={"app.py": APP},
        # What is made before a fork must not be needed after it.
        args=("--preload", "--workers", "2", "--graceful-timeout", "10"),
        env={
            "FLUXSYNC_ENABLE_OPENTELEMETRY": "true",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            **collector.environment,
        },
    )
    serve(site)
    with http.Connection(site.port) as connection:
        pids, name = run_script(connection)
    worker, streamlit = map(int, pids.split())
    site.get("/", [("traceparent", PARENT)])
    with site.websocket(path="/api/echo") as websocket:
        assert websocket.echo("hello") == "hello"

    shown = collector.wait_for("fluxsync.page")
    page_call = collector.wait_for("fluxsync.gateway.request", fluxsync_dispatch="call")
    view = collector.wait_for("fluxsync.api", url_path="/pid")
    handshake = collector.wait_for(
        "fluxsync.gateway.request", fluxsync_dispatch="websocket", url_path=websockets.PATH
    )
    life = collector.wait_for("fluxsync.websocket", url_path=websockets.PATH)
    workers = eventually(lambda: {*pids} if len(pids := site.workers()) == 2 else None)
    assert name == "shop"
    assert is_in(shown, handshake)
    assert is_in(page_call, shown)
    assert is_in(view, page_call)
    assert is_in(life, handshake)
    assert not handshake.parent
    assert (page_call.pid, view.pid) == (worker, worker)
    assert shown.pid == streamlit
    assert {worker, handshake.pid, life.pid} <= workers
    assert {span.resource["service.name"] for span in (shown, view, life)} == {"shop"}
    # It began with the hand-over, and ended when the page was closed.
    assert handshake.began <= life.began <= shown.began
    assert shown.ended <= life.ended
    assert life.attributes["fluxsync.transport"] == "websocket"
    assert life.attributes["fluxsync.websocket.close_code"] in (1005, 1006)
    assert life.attributes["fluxsync.websocket.bytes_received"] > 0
    assert life.attributes["fluxsync.websocket.bytes_sent"] > 100

    echo = collector.wait_for("fluxsync.websocket", fluxsync_transport="api")
    assert is_in(echo, collector.wait_for("fluxsync.api", url_path="/echo"))
    assert collector.wait_for("fluxsync.gateway.request", url_path="/").trace == "1" * 31 + "a"
    # The next spans would go out in a moment. They do although the process ends first.
    site.get("/api/pid", [("X-Request-Id", "last")])
    site.stop()
    collector.wait_for("fluxsync.api", fluxsync_request_id="last")
    assert "Traceback" not in site.output


def test_tunnels_and_slow_uploads(
    collector: Collector, gateway: StartGateway, upstream: FakeStreamlit
) -> None:
    """What ends in the supervisor's process is known, as far as it's known here."""
    env = {"FLUXSYNC_ENABLE_OPENTELEMETRY": "true", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    server = gateway(env={**env, **collector.environment})
    with Tunnel(server.port) as page:
        assert page.open().status == 200
        assert page.echo("hello") == "hello"
        told = upstream.wait_for_websocket().request.get("traceparent")
    with server.connection() as client:
        fields = [("Content-Length", str(LARGE)), ("X-Request-Id", "slow")]
        client.send_request("POST", "/echo", fields)
        # It's here as soon as the supervisor has it.
        upload = collector.wait_for("fluxsync.gateway.request", fluxsync_request_id="slow")
        client.send(bytes(LARGE))
        assert client.read_response().status == 200
        sent = upstream.wait_for_request("/echo").get("traceparent")

    life = collector.wait_for("fluxsync.websocket")
    opening = collector.wait_for("fluxsync.gateway.request", fluxsync_dispatch="tunnel")
    assert is_in(life, opening)
    assert life.attributes["fluxsync.transport"] == "tunnel"
    assert told.split("-")[1:3] == [opening.trace, opening.id]
    # The pieces of a tunnel would be many.
    assert len(collector.all("fluxsync.gateway.request")) == 2
    assert sent.split("-")[1:3] == [upload.trace, upload.id]
    assert upload.attributes["fluxsync.handed_over"] is True
    assert "http.response.status_code" not in upload.attributes
