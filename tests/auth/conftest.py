from __future__ import annotations

import socket
import typing as t

import pytest


@pytest.fixture
def silent() -> t.Iterator[str]:
    """URL of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
