from __future__ import annotations

import socket
import typing as t

import pytest

from tests.support.parsed import Client

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    """A client, and a connection of which gunicorn's parser reads what it sends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Client(ours, theirs)
