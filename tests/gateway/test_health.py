"""Liveness and readiness."""

from __future__ import annotations

import json
import typing as t

import pytest

from fluxsync.gateway import health
from fluxsync.sansio.balancing import Row, Table
from fluxsync.sansio.supervision import State


def table(*states: tuple[State, bool]) -> Table:
    rows = (Row(f"r{n}", s, "127.0.0.1", 1, h, "") for n, (s, h) in enumerate(states, start=1))
    return Table(1, tuple(rows))


@pytest.mark.parametrize(
    ("current", "status", "detail"),
    [
        pytest.param(Table(), "503", "no supervisor", id="nothing known"),
        pytest.param(table((State.STARTING, False)), "503", "r1 is STARTING", id="starting"),
        pytest.param(
            table((State.RUNNING, False)), "503", "r1 is RUNNING but does not answer", id="silent"
        ),
        pytest.param(table((State.RUNNING, True)), "200", None, id="running"),
        pytest.param(table((State.FATAL, False), (State.RUNNING, True)), "200", None, id="one"),
    ],
)
def test_ready(current: Table, status: str, detail: str | None) -> None:
    statuses: list[str] = []

    def start_response(status: str, headers: t.Any, exc_info: t.Any = None) -> t.Any:
        statuses.append(status)

    content = json.loads(b"".join(health.ready(current, start_response)))

    assert statuses[0].startswith(status)
    assert content.get("detail") == detail
