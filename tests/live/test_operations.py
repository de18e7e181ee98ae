"""Metrics and the status page of a gateway with several workers that come and go."""

from __future__ import annotations

import json
import signal
import typing as t

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import StartGateway
from tests.support import websocket
from tests.support.gateways import MOUNTS, Gateway
from tests.support.processes import descendants
from tests.support.tunnel import Tunnel
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

METRICS = "/__fluxsync/metrics"
DEBUG = "/__fluxsync/debug"
TOKEN = "t" * 20
#: Whose samples only ever grow.
LASTING = ("_total", "_count", "_sum", "_bucket")
ON = {
    "FLUXSYNC_APP": "tests.live.apps:app",
    "FLUXSYNC_ENABLE_GATEWAY_PROMETHEUS_METRICS": "true",
    "FLUXSYNC_DEBUG": "true",
}

Samples = dict[tuple[str, ...], float]


def scrape(gateway: Gateway) -> Samples:
    """Return all samples by name and values of their labels, in the order of the labels' names."""
    response = gateway.get(METRICS)
    assert response.status == 200, response.body
    assert response.get("Content-Type").startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.body.decode())
        for sample in family.samples
    }


def replace_workers(gateway: Gateway, number: signal.Signals) -> None:
    """Have all workers replaced, and wait until others answer."""
    before = {process.pid for process in descendants(gateway.pid)}
    if number is signal.SIGHUP:
        gateway.send_signal(number)
    else:
        for process in descendants(gateway.pid):
            process.send_signal(number)

    def are_new() -> bool:
        now = {process.pid for process in descendants(gateway.pid)}
        return len(now) == len(before) and not now & before

    eventually(are_new, 20, lambda: f"other workers\n{gateway.output}")
    gateway.wait_ready()


@pytest.mark.parametrize(
    ("worker_class", "mount", "args"),
    [
        pytest.param("gthread", "root", (), id="gthread"),
        pytest.param("gevent", "full", ("--preload",), id="gevent-preload"),
    ],
)
def test_figures_of_all_workers(
    gateway: StartGateway, worker_class: str, mount: str, args: tuple[str, ...]
) -> None:
    """Whoever is asked says what all have counted, and those that have gone."""
    server = gateway(worker_class, env=ON, args=("--workers", "3", *args), mount=MOUNTS[mount])
    eventually(lambda: scrape(server).get(("fluxsync_workers",)) == 3, what="all workers")
    for _ in range(30):
        assert server.get("/api/echo").status == 200
    assert server.get("/status/404").status == 404
    assert server.get("/bytes/3000000").status == 200
    with websocket.connect(server.port, server.target(websocket.PATH)) as client:
        client.send_binary(b"x" * 1000)
        client.recv()
        with Tunnel(server.port, server.mount.sent) as tunnel:
            tunnel.open(transport="long-poll", reason="websocket-refused+buffered")

            def found() -> Samples:
                return scrape(server)

            eventually(
                lambda: (
                    found().get(("fluxsync_websocket_bytes_total", "received", "websocket"), 0)
                    > 1000
                ),
                what="bytes of an open WebSocket",
            )
            samples = found()
            assert samples["fluxsync_websockets_open", "websocket"] == 1
            assert samples["fluxsync_websockets_open", "tunnel"] == 1
            assert samples["fluxsync_tunnels_open", "long-poll"] == 1
            reason = "websocket-refused+buffered"
            assert samples["fluxsync_fallbacks_total", reason, "long-poll"] == 1
        client.close()
    eventually(
        lambda: found().get(("fluxsync_websockets_closed_total", "1000", "websocket")) == 1,
        what="the WebSocket's end",
    )
    # One may still be on its way from the relay, and a busy worker isn't waited for.
    keys = [("fluxsync_requests_total", name, "GET", "2xx") for name in ("streamlit", "api")]
    before = eventually(
        lambda: now if [(now := found()).get(key) for key in keys] == [1, 30] else None,
        what="the ends of all requests",
    )
    assert before["fluxsync_requests_total", "streamlit", "GET", "4xx"] == 1
    assert before["fluxsync_response_bytes_total", "streamlit"] >= 3_000_000
    assert before["fluxsync_requests_in_progress", "api"] == 0
    assert before["fluxsync_requests_in_progress", "streamlit"] == 0
    assert before["fluxsync_replica_up", "r1"] == 1
    assert before["fluxsync_memory_bytes", "workers"] > 30_000_000

    for number in (signal.SIGHUP, signal.SIGKILL):
        replace_workers(server, number)
        after = found()
        assert after["fluxsync_requests_total", "api", "GET", "2xx"] == 30
        lost = {
            name: (value, after.get(name))
            for name, value in before.items()
            if name[0].endswith(LASTING) and after.get(name, 0) < value
        }
        assert not lost
        assert after.get(("fluxsync_requests_in_progress", "api"), 0) == 0


def test_figures_of_a_worker_that_ends_at_once(gateway: StartGateway) -> None:
    """What it has counted since its last report isn't lost."""
    server = gateway("sync", env=ON, args=("--workers", "2", "--max-requests", "3"))

    for _ in range(20):
        assert server.get("/api/echo").status == 200

    key = ("fluxsync_requests_total", "api", "GET", "2xx")
    eventually(lambda: scrape(server).get(key) == 20, what="all requests")


def test_status_page(gateway: StartGateway) -> None:
    env = {**ON, "FLUXSYNC_SESSION_SECRET": "planted" * 4}
    server = gateway(env=env, args=("--workers", "2"))
    server.get("/api/echo?token=planted")
    eventually(lambda: len(json.loads(server.get(DEBUG).body)["supervisor"]["workers"]) == 2)
    with websocket.connect(server.port):
        response = server.get(DEBUG)
        page = server.get(DEBUG, [("Accept", "text/html")])

    status = json.loads(response.body)
    assert status["sessions"] == {"websocket": 1}
    assert status["supervisor"]["replicas"][0]["state"] == "RUNNING"
    assert status["settings"]["debug"] == {"value": True, "source": "environment"}
    assert "/api/echo?token=***" in [entry["target"] for entry in status["recent"]]
    assert page.get("Content-Type") == "text/html; charset=utf-8"
    assert "/api/echo?token=***" in page.body.decode()
    assert b"planted" not in response.body + page.body
    assert response.get("Cache-Control") == "no-store"


@pytest.fixture(scope="module")
def guarded() -> t.Iterator[Gateway]:
    """A gateway with a token, and metrics at a path of their own."""
    env = {
        **ON,
        "FLUXSYNC_OPERATIONS_TOKEN": TOKEN,
        "FLUXSYNC_GATEWAY_PROMETHEUS_METRICS_PATH": "/figures",
        "FLUXSYNC_STREAMLIT_UPSTREAM": "http://127.0.0.1:9",
    }
    with Gateway(env=env, ready=False) as server:
        yield server


@pytest.mark.parametrize("path", ["/figures", DEBUG])
def test_token(guarded: Gateway, path: str) -> None:
    """With one, loopback isn't enough; without it, browsers ask for one."""
    refused = guarded.get(path)
    wrong = guarded.get(path, [("Authorization", "Bearer wrong")])
    right = guarded.get(path, [("Authorization", f"Bearer {TOKEN}")])

    assert (refused.status, wrong.status, right.status) == (401, 401, 200)
    assert [value.split()[0] for value in refused.all("WWW-Authenticate")] == ["Basic", "Bearer"]
    assert b"fluxsync" not in refused.body
    # There is no Streamlit, and no page of its either.
    assert guarded.get(METRICS).status == 404


def test_only_reading(guarded: Gateway) -> None:
    fields = [("Authorization", f"Bearer {TOKEN}")]

    assert guarded.request("POST", "/figures", fields, b"").status == 405
    head = guarded.request("HEAD", "/figures", fields)
    assert (head.status, head.body) == (200, b"")


def test_openmetrics(guarded: Gateway) -> None:
    accept = ("Accept", "application/openmetrics-text; version=1.0.0")

    response = guarded.get("/figures", [accept, ("Authorization", f"Bearer {TOKEN}")])

    assert response.get("Content-Type").startswith("application/openmetrics-text")
    assert response.body.endswith(b"# EOF\n")


def test_off(once: Gateway) -> None:
    """Nothing is there, and no page of Streamlit's either."""
    for path in (METRICS, DEBUG):
        assert once.get(path).status == 404


def test_only_this_machine(gateway: StartGateway) -> None:
    """A request that came through a proxy on this machine is no request of this machine."""
    server = gateway(env=ON)

    for fields in (
        [("X-Forwarded-For", "127.0.0.1")],
        [("Forwarded", "for=127.0.0.1")],
        [("Host", "example.org")],
    ):
        assert server.get(METRICS, fields).status == 403
        assert server.get(DEBUG, fields).status == 403
    assert server.get(METRICS).status == 200
