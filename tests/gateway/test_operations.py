"""Who may see figures and the status page; tests/live/test_operations.py has what is on them."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.inprocess import Site

TOKEN = "t" * 20


@pytest.mark.parametrize(
    ("environ", "token", "status"),
    [
        pytest.param({}, "", 200, id="this machine"),
        pytest.param({"HTTP_X_FORWARDED_FOR": "203.0.113.1"}, "", 403, id="through a proxy"),
        pytest.param({"waitress.client_disconnected": print}, "", 403, id="waitress"),
        pytest.param({"waitress.client_disconnected": print}, TOKEN, 200, id="waitress, token"),
        pytest.param({"REMOTE_ADDR": "203.0.113.1"}, "", 403, id="other machine"),
        pytest.param({"REMOTE_ADDR": ""}, "", 403, id="Unix socket"),
    ],
)
def test_operators(environ: dict[str, t.Any], token: str, status: int) -> None:
    """waitress takes away X-Forwarded-For: a proxy on this machine can't be told there."""
    headers = [("Host", "localhost"), ("Authorization", f"Bearer {token}")]
    here = {"REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1"}

    with Site(debug=True, operations_token=token) as site:
        answer = site.open("/__fluxsync/debug", headers=headers, environ={**here, **environ})

    assert answer.status_code == status
