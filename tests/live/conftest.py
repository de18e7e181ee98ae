"""Gateways that the tests in this folder share, since a start costs more than a test."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.gateways import MOUNTS, Gateway
from tests.support.upstream import FakeStreamlit

#: Each worker class, and each way in which a proxy may treat a prefix.
VARIANTS = (
    ("sync", "stripped"),
    ("gthread", "root"),
    ("gthread", "full"),
    ("gevent", "full"),
)


@pytest.fixture(scope="package")
def shared_upstream() -> t.Iterator[FakeStreamlit]:
    """The fake Streamlit behind all shared gateways."""
    with FakeStreamlit() as server:
        yield server


@pytest.fixture(scope="package", params=VARIANTS, ids="-".join)
def shared_gateway(
    request: pytest.FixtureRequest, shared_upstream: FakeStreamlit
) -> t.Iterator[Gateway]:
    """A gateway of each variant; tests leave it as they found it."""
    worker_class, mount = request.param
    env = {"FLUXSYNC_APP": "tests.live.apps:app"}
    gateway = Gateway(worker_class, upstream=shared_upstream, env=env, mount=MOUNTS[mount])
    with gateway:
        yield gateway


@pytest.fixture
def live(shared_gateway: Gateway, shared_upstream: FakeStreamlit) -> Gateway:
    """A shared gateway, with nothing recorded upstream."""
    shared_upstream.reset()
    return shared_gateway


@pytest.fixture
def seen(live: Gateway, shared_upstream: FakeStreamlit) -> FakeStreamlit:
    """What is behind :func:`live`."""
    return shared_upstream


@pytest.fixture(scope="package")
def once(shared_upstream: FakeStreamlit) -> t.Iterator[Gateway]:
    """A gateway for what doesn't depend on the worker class; nothing may go wrong in it.

    gunicorn logs the requests, too.
    """
    with Gateway(upstream=shared_upstream, args=("--access-logfile", "-")) as gateway:
        yield gateway
        assert "Traceback" not in gateway.output
