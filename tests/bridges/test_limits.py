from __future__ import annotations

import dataclasses
import json

import pytest

from fluxsync.bridges.limits import Limits, look_again


def test_limits_survive_json() -> None:
    limits = Limits(ping_interval=1.5, max_message=7, tunnel_window=8, max_tunnel_age=9.5)

    assert Limits.from_json(json.loads(json.dumps(dataclasses.asdict(limits)))) == limits


def test_limits_of_another_version() -> None:
    """A worker may be newer or older than the supervisor."""
    assert Limits.from_json({"ping_interval": 1.5, "of_the_future": 1}) == Limits(ping_interval=1.5)


@pytest.mark.parametrize(
    ("wanted", "files", "connections", "tunnels"),
    [
        pytest.param(0, 1024, 448, 224, id="what the files allow"),
        pytest.param(100, 1024, 100, 100, id="less is fine"),
        pytest.param(300, 1024, 300, 224, id="tunnels have more files"),
        pytest.param(1000, 1024, 448, 224, id="more is not"),
        pytest.param(0, 0, 1, 1, id="never none"),
    ],
)
def test_limit_of_open_files(wanted: int, files: int, connections: int, tunnels: int) -> None:
    limits = Limits(max_connections=wanted, max_tunnels=wanted, max_message=7).within(files)

    assert limits == Limits(max_connections=connections, max_tunnels=tunnels, max_message=7)


def test_limits_of_a_transfer() -> None:
    limits = Limits(client_timeout=1, upstream_timeout=2)

    assert limits.transfer_limits(waits_for_client=True) == (1, 2)
    assert limits.transfer_limits(waits_for_client=False) == (2, 1)


@pytest.mark.parametrize(
    ("limit", "other", "expected"),
    [
        pytest.param(60, 120, 160, id="now is nearer"),
        pytest.param(120, 60, 210, id="it may become the other one right now"),
        pytest.param(0, 60, 210, id="none now"),
        pytest.param(60, 0, 160, id="none later"),
        pytest.param(0, 0, None, id="none"),
    ],
)
def test_look_again(limit: float, other: float, expected: float | None) -> None:
    assert look_again(150, 100, limit, other) == expected
