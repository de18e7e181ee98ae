"""``deploy/prometheus`` and ``deploy/grafana``, with a real Prometheus that scrapes a real server."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import typing as t

import psutil
import pytest
import yaml

from fluxsync.telemetry.metrics import METRICS, Kind
from tests.live.served import Application
from tests.support import websocket
from tests.support.processes import ROOT
from tests.support.prometheus import DIRECTORY, Prometheus
from tests.support.tunnel import Tunnel
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="no Prometheus here"
)

TOKEN = "0123456789abcdef" * 2
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "fluxsync.json").read_text())
RULES = yaml.safe_load((DIRECTORY / "alerts.yml").read_text())["groups"][0]["rules"]
README = (DIRECTORY / "README.rst").read_text()


def samples() -> set[str]:
    """Return the names that queries may use."""
    names = {metric.name for metric in METRICS if metric.kind is not Kind.HISTOGRAM}
    suffixes = ("_bucket", "_count", "_sum")
    histograms = {metric.name for metric in METRICS if metric.kind is Kind.HISTOGRAM}
    return names | {f"{name}{suffix}" for name in histograms for suffix in suffixes}


def found_in(value: t.Any, key: str) -> list[str]:
    """Return all that stands under a key, at any depth."""
    if isinstance(value, list):
        return [text for item in value for text in found_in(item, key)]
    if isinstance(value, dict):
        own = [value[key]] if isinstance(value.get(key), str) else []
        return own + [text for item in value.values() for text in found_in(item, key)]
    return []


def panel_expressions() -> list[str]:
    """Return the dashboard's expressions, as Grafana would send them."""
    variables = {"$instance": ".*", "$dispatch": ".*", "$__rate_interval": "1m"}
    expressions = found_in(DASHBOARD, "expr")
    for name, value in variables.items():
        expressions = [text.replace(name, value) for text in expressions]
    assert not [text for text in expressions if "$" in text]
    return expressions


def named(expressions: t.Iterable[str]) -> set[str]:
    return set(re.findall(r"\bfluxsync_\w+", " ".join(expressions)))


def promtool(*args: str) -> None:
    command = ["promtool", *args]
    done = subprocess.run(command, cwd=DIRECTORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration() -> None:
    promtool("check", "config", "prometheus.yml")


def test_rules() -> None:
    promtool("test", "rules", "alerts_test.yml")


def test_alerts_are_tested_and_explained() -> None:
    """Each is raised in a test, and the table has it."""
    tests = yaml.safe_load((DIRECTORY / "alerts_test.yml").read_text())["tests"]
    alerts = {rule["alert"] for rule in RULES}

    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} <= alerts
    assert set(re.findall(r"^``(Fluxsync\w+)``", README, re.MULTILINE)) == alerts


def test_metrics_that_are_asked_for() -> None:
    """They exist, and none is left out."""
    shown, asked = named(panel_expressions()), named(rule["expr"] for rule in RULES)

    assert shown | asked <= samples()
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    assert {metric.name for metric in METRICS} <= bare | shown


def test_dashboard() -> None:
    """Panels don't overlap, and each has a number of its own."""
    panels = DASHBOARD["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert {x for x, _ in cells} == set(range(24))


def busy_server(serve: StartServer) -> Application:
    """Start a server, and have something of everything happen to it."""
    env = {
        "FLUXSYNC_ENABLE_GATEWAY_PROMETHEUS_METRICS": "true",
        "FLUXSYNC_OPERATIONS_TOKEN": TOKEN,
    }
    server = Application(env=env, args=("--workers", "2"))
    serve(server)
    for _ in range(20):
        assert server.get("/api/pid").status == 200
    assert server.get("/").status == 200
    with websocket.connect(server.port) as client:
        client.close()
    return server


def end_streamlit(server: Application) -> None:
    """Kill it, be refused, and wait until there is another one."""
    [child] = server.find("child.py")
    before = {child.pid, *(process.pid for process in child.children(recursive=True))}
    supervisor = server.supervisor()
    # There isn't another one before it goes on.
    supervisor.suspend()
    child.kill()
    eventually(lambda: server.get("/").status in (502, 503), 20, lambda: server.output)
    supervisor.resume()
    eventually(
        lambda: {process.pid for process in server.find("child.py")} - before != set(),
        20,
        lambda: server.output,
    )
    server.wait_ready()


def replace_workers(server: Application) -> None:
    """Kill a worker, then have all of them replaced."""

    def workers() -> set[int]:
        return {process.pid for process in psutil.Process(server.pid).children()}

    before = workers()
    psutil.Process(min(before)).kill()
    eventually(lambda: len(workers() - before) == 1, 20, lambda: server.output)
    server.wait_ready()
    before |= workers()
    server.send_signal(signal.SIGHUP)
    eventually(lambda: len(workers() - before) == 2, 20, lambda: server.output)
    server.wait_ready()


@pytest.mark.streamlit
@pytest.mark.live_server
def test_scraped(serve: StartServer) -> None:
    server = busy_server(serve)
    unknown = Prometheus(server.port)
    prometheus = Prometheus(server.port, TOKEN)
    for started in (unknown, prometheus):
        serve(started)
    requests = 'fluxsync_requests_total{dispatch="api",method="GET",status="2xx"}'
    eventually(lambda: prometheus.value(requests) == 20, 20, lambda: prometheus.output)

    with Tunnel(server.port) as tunnel:
        tunnel.open(transport="long-poll", reason="websocket-refused")
        tunnels = 'fluxsync_tunnels_open{transport="long-poll"}'
        eventually(lambda: prometheus.value(tunnels) == 1, 20, lambda: prometheus.output)

    # Whoever doesn't say the token is told nothing, and that is an alert.
    eventually(lambda: unknown.value('up{job="fluxsync"}') == 0, 20, lambda: unknown.output)
    assert unknown.query('{__name__=~"fluxsync_.*"}') == []

    def last_error() -> str:
        [target] = unknown.api("targets")["activeTargets"]
        return str(target["lastError"])

    # A single scrape may have come too late.
    eventually(lambda: "401" in last_error(), what=last_error)

    # Nothing is lost when workers come and go, and nothing counted twice.
    replace_workers(server)
    for _ in range(20):
        assert server.get("/api/pid").status == 200
    eventually(lambda: prometheus.value(requests) == 40, 20, lambda: prometheus.output)
    end_streamlit(server)
    restarts = "fluxsync_replica_restarts_total"
    eventually(lambda: prometheus.value(restarts) == 1, 20, lambda: prometheus.output)
    for name in prometheus.api("label/__name__/values"):
        if re.fullmatch(r"fluxsync_.*_(total|count|sum)", name):
            assert prometheus.query(f"resets({name}[10m]) > 0") == []

    # All that the dashboard and the alerts ask for is there, and can be asked like that.
    expressions = [*panel_expressions(), *(rule["expr"] for rule in RULES)]

    def missing() -> set[str]:
        return named(expressions) - set(prometheus.api("label/__name__/values"))

    eventually(lambda: not missing(), what=missing)
    for expression in expressions:
        prometheus.query(expression)
    [group] = prometheus.api("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    for up in ('up{job="fluxsync"}', "sum(fluxsync_replica_up)"):
        eventually(lambda one=up: prometheus.value(one) == 1, 20, lambda: prometheus.output)  # type: ignore[misc]
