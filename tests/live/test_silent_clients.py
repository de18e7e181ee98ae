"""Clients that connect and say nothing, as browsers do to be quick later, keep nobody waiting."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from tests.support import http
from tests.support.gateways import Gateway

pytestmark = pytest.mark.live_server


def test_silent_clients(gateway: t.Callable[..., Gateway], worker_class: str) -> None:
    """More of them than threads, each of which would hold one for seconds."""
    server = gateway(worker_class)
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(http.Connection(server.port))
        assert server.get("/healthz").status == 200
