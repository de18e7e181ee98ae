from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.balancing import Row, Table, choose, row
from fluxsync.sansio.supervision import SERVING, Replica, State


def make(id: str, state: State = State.RUNNING, port: int | None = 1, healthy: bool = True) -> Row:
    return Row(id, state, "127.0.0.1", port, healthy, "")


ROWS = st.builds(
    make,
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from(State),
    st.none() | st.integers(1, 65535),
    st.booleans(),
)
TABLES = st.builds(Table, st.integers(0), st.lists(ROWS, unique_by=lambda row: row.id).map(tuple))


@pytest.mark.parametrize(
    ("rows", "preferred", "expected"),
    [
        pytest.param([make("1"), make("2")], "2", "2", id="stays"),
        pytest.param([make("1"), make("2", State.DRAINING)], "2", "2", id="stays to the end"),
        pytest.param([make("1"), make("2", healthy=False)], "2", "2", id="stays when ill"),
        pytest.param([make("1"), make("2", State.STOPPING)], "2", "1", id="has gone"),
        pytest.param([make("1"), make("2", port=None)], "2", "1", id="has no port"),
        pytest.param([make("1", State.DRAINING), make("2")], "", "2", id="not to one that drains"),
        pytest.param([make("1", healthy=False), make("2")], "", "2", id="not to one that's ill"),
        pytest.param([make("1", healthy=False)], "", "1", id="ill is better than none"),
        pytest.param([make("1", State.STARTING)], "", None, id="none yet"),
        pytest.param([], "1", None, id="none at all"),
    ],
)
def test_choose(rows: list[Row], preferred: str, expected: str | None) -> None:
    chosen = choose(Table(1, tuple(rows)), preferred, 0)

    assert (chosen and chosen.id) == expected


def test_new_browsers_are_spread() -> None:
    table = Table(1, (make("1"), make("2"), make("3")))

    chosen = [choose(table, "", spread) for spread in range(6)]

    assert [row and row.id for row in chosen] == ["1", "2", "3"] * 2


@given(TABLES, st.sampled_from(["", "1", "2", "4"]), st.integers(0))
def test_a_request_goes_only_where_it_can_be_answered(
    table: Table, preferred: str, spread: int
) -> None:
    chosen = choose(table, preferred, spread)

    able = [row for row in table.rows if row.state in SERVING and row.port]
    if chosen is None:
        assert not [row for row in able if row.state is State.RUNNING or row.id == preferred]
    else:
        assert chosen in able
        assert preferred not in [row.id for row in able] or chosen.id == preferred


@given(TABLES)
def test_table_survives_json(table: Table) -> None:
    assert Table.from_json(json.loads(json.dumps(table.to_json()))) == table


@pytest.mark.parametrize(
    ("rows", "ready"),
    [
        pytest.param([make("1", State.FATAL), make("2")], True, id="one is enough"),
        pytest.param([make("1", healthy=False)], False, id="silent"),
        pytest.param([make("1", State.DRAINING)], False, id="about to go"),
        pytest.param([], False, id="none"),
    ],
)
def test_ready(rows: list[Row], ready: bool) -> None:
    assert Table(1, tuple(rows)).ready is ready


def test_row_of_a_replica() -> None:
    values = ("1", State.BACKOFF, "::1", 2, False, "exit code 1", "1.67.0")
    names = ("id", "state", "host", "port", "healthy", "reason", "frontend")

    replica = Replica(**dict(zip(names, values, strict=True)))  # type: ignore[arg-type]
    assert row(replica) == Row(*values)


def test_row_of_an_earlier_version() -> None:
    """It says nothing about frontend files."""
    data = Table(1, (make("1"),)).to_json()
    del data["rows"][0]["frontend"]

    assert Table.from_json(data).rows[0].frontend == ""
