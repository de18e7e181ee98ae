"""Liveness and readiness. Answered from the table in memory, without I/O."""

from __future__ import annotations

import json
import typing as t

from ..sansio.supervision import State

if t.TYPE_CHECKING:
    from ..sansio.balancing import Table
    from ..typing import StartResponse


def health(start_response: StartResponse) -> t.Iterable[bytes]:
    """Answer ``/healthz``: this process answers."""
    return _respond(start_response, "200 OK", {"status": "ok"})


def ready(table: Table, start_response: StartResponse) -> t.Iterable[bytes]:
    """Answer ``/readyz``: Streamlit answers too. Without knowledge, it doesn't."""
    replicas = {row.id: _describe(row.state, row.healthy) for row in table.rows}
    if table.ready:
        content: dict[str, t.Any] = {"status": "ready", "streamlit": "ok"}
        return _respond(start_response, "200 OK", {**content, "replicas": replicas})
    detail = ", ".join(f"{k} is {v}" for k, v in replicas.items()) or "no supervisor"
    content = {"status": "not_ready", "detail": detail, "replicas": replicas}
    return _respond(start_response, "503 Service Unavailable", content)


def _describe(state: State, healthy: bool) -> str:
    silent = state is State.RUNNING and not healthy
    return f"{state.value} but does not answer" if silent else state.value


def _respond(
    start_response: StartResponse, status: str, content: t.Mapping[str, t.Any]
) -> t.Iterable[bytes]:
    body = json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]
