from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.encodings import IDENTITY, choose, parse

ALL = ("br", "zstd", "gzip")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", "identity", id="nothing"),
        pytest.param("gzip, deflate, br, zstd", "br", id="Chromium"),
        pytest.param("gzip, deflate", "gzip", id="over plain HTTP"),
        pytest.param("GZip", "gzip", id="case"),
        pytest.param("x-gzip", "gzip", id="old name"),
        pytest.param("deflate", "identity", id="none that there is"),
        pytest.param("*", "br", id="any"),
        pytest.param("*;q=0.1", "br", id="any, if need be"),
        pytest.param("br;q=0, *", "zstd", id="any but one"),
        pytest.param("br;q=0.5, gzip", "gzip", id="weights"),
        pytest.param("br;q=0.5, gzip;q=0.5", "br", id="equal weights"),
        pytest.param("gzip;q=1.000 , br ; q=0.999", "gzip", id="blanks"),
        pytest.param("gzip;Q=0.5", "gzip", id="case of the weight"),
        pytest.param("identity, gzip;q=0.5", "identity", id="plain is liked better"),
        pytest.param("identity;q=0.5, gzip;q=0.5", "gzip", id="plain is liked as well"),
        pytest.param("identity;q=0.5, *;q=0.1", "identity", id="plain over any"),
        pytest.param("gzip;q=0", "identity", id="refused"),
        pytest.param("*;q=0", "identity", id="all refused"),
        pytest.param("identity;q=0", "identity", id="nothing left"),
        pytest.param("identity;q=0, gzip;q=0.001", "gzip", id="little left"),
        pytest.param("br;q=2, gzip", "gzip", id="weight over 1"),
        pytest.param("br;q=0.1234, gzip;q=0.1", "gzip", id="weight too long"),
        pytest.param("br;q=, gzip;q=0.1", "gzip", id="no weight"),
        pytest.param("br;level=1, gzip", "gzip", id="another parameter"),
        pytest.param(",,;,gzip,", "gzip", id="empty members"),
    ],
)
def test_choice(accept: str, expected: str) -> None:
    assert choose(accept, ALL) == expected


def test_what_there_is() -> None:
    assert choose("gzip, br", ("gzip",)) == "gzip"
    assert choose("gzip, br", ()) == IDENTITY


member = st.tuples(
    st.sampled_from([*ALL, "*", IDENTITY, "deflate"]), st.integers(min_value=0, max_value=1000)
)


@given(members=st.lists(member, unique_by=lambda one: one[0]), data=st.data())
def test_nobody_gets_what_they_refuse(members: list[tuple[str, int]], data: st.DataObject) -> None:
    """And nobody gets less than the best of what they like, unless it's not there."""
    accept = ",".join(f"{coding};q={weight / 1000:.3f}" for coding, weight in members)
    available = tuple(data.draw(st.permutations(ALL))[: data.draw(st.integers(0, 3))])
    chosen = choose(accept, available)
    weights = dict(members)

    def weight(coding: str) -> int:
        return weights.get(coding, weights.get("*", 0))

    assert chosen in (*available, IDENTITY)
    if chosen == IDENTITY:
        mine = weights.get(IDENTITY, 0)
        assert all(weight(coding) < mine or not weight(coding) for coding in available)
    else:
        assert weight(chosen) > 0
        assert weight(chosen) >= max(map(weight, available))


@given(st.text(max_size=60))
def test_rubbish(accept: str) -> None:
    assert choose(accept, ALL) in (*ALL, IDENTITY)
    assert all(0 <= weight <= 1 for weight in parse(accept).values())
