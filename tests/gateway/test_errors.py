"""Answers for what went wrong, in each form."""

from __future__ import annotations

import json
import typing as t

import pytest

from fluxsync.exceptions import (
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from fluxsync.gateway.errors import Failure, from_upstream, not_ready
from fluxsync.sansio.balancing import Row, Table
from fluxsync.sansio.supervision import State
from tests.gateway.test_request import read


def respond(failure: Failure, raw: str = "/", **environ: t.Any) -> tuple[str, dict[str, str], str]:
    answer: list[t.Any] = []

    def start_response(status: str, headers: t.Any, exc_info: t.Any = None) -> t.Any:
        answer.extend((status, dict(headers)))

    body = b"".join(failure.respond(start_response, read(raw, **environ)))
    return (*answer, body.decode())


def test_page_escapes_what_it_shows() -> None:
    failure = Failure(503, "<b>", output="<script>")
    status, headers, body = respond(failure, HTTP_ACCEPT="text/html")

    assert status == "503 Service Unavailable"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert int(headers["Content-Length"]) == len(body.encode())
    assert "<b>" not in body
    assert "<script>" not in body
    assert "&lt;script&gt;" in body


def test_api_gets_a_problem_whatever_it_accepts() -> None:
    _, headers, body = respond(Failure(404, "nothing"), "/api/x", HTTP_ACCEPT="text/html")

    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "nothing",
    }


def test_head_has_no_body() -> None:
    _, headers, body = respond(Failure(404, "nothing"), REQUEST_METHOD="HEAD")

    assert headers["Content-Length"] == "8"
    assert body == ""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UpstreamTimeout("slow"), 504),
        (UpstreamUnavailable("refused"), 502),
        (UpstreamProtocolError("nonsense"), 502),
    ],
)
def test_failed_hops(error: UpstreamError, status: int) -> None:
    failure = from_upstream(error)

    assert failure.status == status
    assert str(error) in failure.detail


def row(state: State, reason: str = "") -> Row:
    return Row("r1", state, "127.0.0.1", None, False, reason)


def test_starting() -> None:
    for table in (Table(), Table(1, (row(State.STARTING),)), Table(1, (row(State.BACKOFF),))):
        failure = not_ready(table)
        assert (failure.status, failure.refresh) == (503, 1)
        assert ("Retry-After", "1") in failure.headers


def test_given_up() -> None:
    """Streamlit's own words are shown, without secrets; the page doesn't try again."""
    failure = not_ready(Table(1, (row(State.FATAL, "exit code 2\nNo such option; token=abc"),)))

    assert (failure.status, failure.refresh) == (503, 0)
    assert failure.output == "exit code 2\nNo such option; token=***"


def test_one_of_two_given_up() -> None:
    table = Table(1, (row(State.FATAL), row(State.STARTING)))

    assert not_ready(table).refresh == 1
