from __future__ import annotations

import logging

import pytest

from fluxsync.telemetry.access import Exchange


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fluxsync.access")


def exchange(path: str = "/a", query: str = "") -> Exchange:
    return Exchange("GET", path, query, "1", client="127.0.0.1", route="api", status=200)


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        pytest.param("/a", "", "GET /a 200", id="path"),
        pytest.param("/a", "b=c&token=x", "GET /a?b=c&token=*** 200", id="query"),
        pytest.param("/a\n\xe9", "", "GET /a\\n\\xe9 200", id="line break"),
    ],
)
def test_line(caplog: pytest.LogCaptureFixture, path: str, query: str, message: str) -> None:
    exchange(path, query).log()

    assert [line.getMessage() for line in caplog.records] == [message]


def test_facts(caplog: pytest.LogCaptureFixture) -> None:
    exchange().log()

    facts = vars(caplog.records[0])
    assert facts["duration_seconds"] >= 0
    assert {name: facts[name] for name in ("bytes", "client", "route", "request_id")} == {
        "bytes": 0,
        "client": "127.0.0.1",
        "route": "api",
        "request_id": "1",
    }


def test_no_line_if_nobody_wants_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fluxsync.access")

    exchange().log()

    assert caplog.records == []
