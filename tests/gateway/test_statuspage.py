from __future__ import annotations

import json
import typing as t

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.config.platform import find_platform
from fluxsync.gateway import statuspage
from fluxsync.telemetry.access import Exchange
from fluxsync.telemetry.recorder import Recent


@pytest.fixture
def overview() -> dict[str, t.Any]:
    recent = Recent()
    recent.add(Exchange("GET", "/<script>", "access_token=planted", "1", route="api", status=200))
    replica = {
        "id": "r1",
        "state": "FATAL",
        "healthy": False,
        "pid": None,
        "address": "",
        "started": None,
        "starts": 5,
        "sessions": 0,
        "memory_bytes": 0,
        "reason": "exit code 1\npassword=planted",
    }
    status = {
        "name": "app:<app>",
        "pid": 1,
        "started": 1.0,
        "workers": [2],
        "workers_memory_bytes": 1024 * 1024,
        "tunnels": {"transports": {"stream": 1}, "reasons": {"pinned": 1}},
        "replicas": [replica],
    }
    return {"figures": [], "recent": recent.entries(), "status": status}


def describe(overview: dict[str, t.Any]) -> dict[str, t.Any]:
    settings = FluxSyncSettings(
        session_secret="planted" * 4,
        operations_token="planted" * 4,
        session_store="postgresql://user:planted@host/db",
        streamlit_run_cli_args=["--server.cookieSecret=planted"],
    )
    return statuspage.describe(settings, find_platform({}, 8000), overview)


def test_no_secret_is_shown(overview: dict[str, t.Any]) -> None:
    status = describe(overview)

    for accept in ("text/html", "application/json"):
        assert b"planted" not in statuspage.render(status, accept, "")[0]


def test_nothing_is_markup(overview: dict[str, t.Any]) -> None:
    page, kind = statuspage.render(describe(overview), "text/html,*/*", "")

    assert kind == "text/html; charset=utf-8"
    assert b"app:&lt;app&gt;" in page
    assert b"/&lt;script&gt;?access_token=***" in page
    assert b"<script>" not in page


def test_text_that_is_no_text(overview: dict[str, t.Any]) -> None:
    """A file's name in an exception needn't be UTF-8."""
    overview["recent"][0]["error"] = "no such file: \udcff"

    page, _ = statuspage.render(describe(overview), "text/html", "")

    assert b"no such file: \\udcff" in page


@pytest.mark.parametrize(("accept", "query"), [("*/*", ""), ("text/html", "format=json")])
def test_json(overview: dict[str, t.Any], accept: str, query: str) -> None:
    body, kind = statuspage.render(describe(overview), accept, query)

    assert kind == "application/json"
    found = json.loads(body)
    assert found["settings"]["operations_token"] == {"value": "***", "source": "code"}
    assert found["supervisor"]["replicas"][0]["reason"] == "exit code 1\npassword=***"
    assert found["recent"][0]["status"] == 200


def test_without_a_supervisor() -> None:
    overview: dict[str, t.Any] = {"figures": [], "recent": [], "status": {}}

    page, _ = statuspage.render(describe(overview), "text/html", "")

    assert b"there is no supervisor" in page


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 min 0 s"), (61, "1 min 1 s"), (3 * 3600 + 120, "3 h 2 min"), (50 * 3600, "2 days")],
)
def test_age(overview: dict[str, t.Any], seconds: int, shown: str) -> None:
    status = describe(overview)
    status["supervisor"]["started"] = status["time"] - seconds

    assert f"supervisor 1 for {shown}" in statuspage.render(status, "text/html", "")[0].decode()
