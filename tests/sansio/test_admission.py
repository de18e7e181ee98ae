from __future__ import annotations

import collections
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.admission import Admission, Full, file_limit

TOTAL = "too many WebSockets are open (gateway_ws_max_connections)"
CLIENT = "too many WebSockets of one client (gateway_ws_max_connections_per_client)"


def test_total() -> None:
    admission = Admission(2, 0)

    assert [admission.admit(client) for client in ("192.0.2.1", "", "192.0.2.2")] == ["", "", TOTAL]
    assert admission.full() == Full(total=True)

    admission.leave("")
    assert admission.full() == Full()
    assert admission.admit("192.0.2.2") == ""


def test_per_client() -> None:
    admission = Admission(0, 2)

    assert [admission.admit("192.0.2.1") for _ in range(3)] == ["", "", CLIENT]
    assert admission.admit("192.0.2.2") == ""
    assert admission.full() == Full(clients=frozenset({"192.0.2.1"}))

    admission.leave("192.0.2.1")
    assert admission.full() == Full()
    assert admission.admit("192.0.2.1") == ""


def test_no_limits() -> None:
    admission = Admission(0, 0)

    assert not any(admission.admit("192.0.2.1") for _ in range(100))
    assert admission.full() == Full()


def test_reserve() -> None:
    """It counts when it's full, too, so that what is given back was taken."""
    admission = Admission(2, 1)
    admission.reserve(1)
    admission.admit("192.0.2.1")
    admission.reserve(2)
    admission.leave("192.0.2.1")
    assert admission.full() == Full(total=True)

    admission.reserve(-2)
    assert admission.admit("192.0.2.1") == ""
    assert admission.full().total

    admission.reserve(-1)
    assert admission.full() == Full(clients=frozenset({"192.0.2.1"}))


def test_total_is_told_first() -> None:
    admission = Admission(1, 1)
    admission.admit("192.0.2.1")

    assert admission.admit("192.0.2.1") == TOTAL


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("192.0.2.1", "192.0.2.2", False, id="IPv4"),
        pytest.param("192.0.2.1", "::ffff:192.0.2.1", True, id="IPv4 in IPv6"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", False, id="both IPv4 in IPv6"),
        pytest.param("2001:db8::1", "2001:DB8::ffff:0:0:2", True, id="one /64"),
        pytest.param("2001:db8:0:1::1", "2001:db8:0:2::1", False, id="two /64"),
        pytest.param("::1", "::1", True, id="loopback"),
        pytest.param("unix:", "unix:", True, id="not an address"),
        pytest.param("", "", False, id="unknown"),
    ],
)
def test_what_one_client_is(one: str, other: str, same: bool) -> None:
    admission = Admission(0, 1)
    admission.admit(one)

    reason = CLIENT if same else ""

    assert admission.full().reason(other) == reason
    assert admission.admit(other) == reason


def test_other_limits() -> None:
    """Nobody is put out, and everybody is still counted."""
    admission = Admission(0, 0)
    for _ in range(3):
        admission.admit("192.0.2.1")

    admission.set_limits(2, 2)
    assert admission.full() == Full(True, frozenset({"192.0.2.1"}))

    admission.leave("192.0.2.1")
    assert admission.full() == Full(True, frozenset({"192.0.2.1"}))
    admission.leave("192.0.2.1")
    assert admission.full() == Full()

    admission.admit("192.0.2.1")
    admission.set_limits(0, 3)
    assert admission.full() == Full()


@given(
    st.integers(0, 4),
    st.integers(0, 3),
    st.lists(st.tuples(st.booleans(), st.sampled_from(["", "192.0.2.1", "192.0.2.2"]))),
)
def test_counts(total: int, per_client: int, steps: list[tuple[bool, str]]) -> None:
    """Whatever comes and goes: a client is refused if and only if a limit is reached."""
    admission = Admission(total, per_client)
    inside: collections.Counter[str] = collections.Counter()

    for arrives, client in steps:
        if arrives:
            full = bool(total) and inside.total() >= total
            at_limit = bool(client) and bool(per_client) and inside[client] >= per_client
            expected = TOTAL if full else CLIENT if at_limit else ""
            assert Full.from_json(json.loads(json.dumps(admission.full().to_json()))).reason(
                client
            ) == (expected)
            assert admission.admit(client) == expected
            inside[client] += not expected
        elif inside[client]:
            admission.leave(client)
            inside[client] -= 1


@pytest.mark.parametrize(
    "full", [Full(), Full(True, frozenset({"192.0.2.1", "2001:db8::/64"}))], ids=["none", "some"]
)
def test_json(full: Full) -> None:
    assert Full.from_json(json.loads(json.dumps(full.to_json()))) == full


@pytest.mark.parametrize(
    ("nofile", "expected"),
    [
        pytest.param(0, 1, id="none"),
        pytest.param(64, 1, id="nothing left"),
        pytest.param(256, 96, id="macOS"),
        pytest.param(1024, 448, id="most systems"),
        pytest.param(1 << 20, (1 << 19) - 512, id="containers"),
        pytest.param(-1, (1 << 30) - 512, id="no limit"),
    ],
)
def test_file_limit(nofile: int, expected: int) -> None:
    assert file_limit(nofile) == expected
