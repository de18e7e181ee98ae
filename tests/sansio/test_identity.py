from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.forwarding import is_claim
from fluxsync.sansio.identity import User, from_connect, streamlit_fields, streamlit_names


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        pytest.param('{"user": "ada", "groups": ["staff", "r"]}', User("ada", ("staff", "r"))),
        pytest.param('{"user": "ada"}', User("ada"), id="no groups"),
        pytest.param('{"user": "ada", "groups": null}', User("ada"), id="null groups"),
        pytest.param('{"user": "andr\xc3\xa9"}', User("andr\xe9"), id="UTF-8 as WSGI has it"),
        pytest.param("", None, id="anonymous"),
        pytest.param('{"user": ""}', None, id="empty name"),
        pytest.param('{"user": null, "groups": []}', None, id="null name"),
        pytest.param('{"user": "ada", "groups": "staff"}', None, id="groups are no list"),
        pytest.param('{"user": "ada", "groups": [1]}', None, id="groups are no texts"),
        pytest.param('{"user": ["ada"]}', None, id="name is no text"),
        pytest.param('["ada"]', None, id="no object"),
        pytest.param('{"user": "ada"', None, id="cut off"),
        pytest.param('{"user": "ada\xff"}', None, id="not UTF-8"),
        pytest.param("[" * 100_000, None, id="deep"),
        pytest.param(r'{"user": "ada\ud800"}', None, id="half a character"),
        pytest.param(
            r'{"user": "ada", "groups": ["\udfff"]}', None, id="half a character in groups"
        ),
    ],
)
def test_from_connect(credentials: str, expected: User | None) -> None:
    assert from_connect(credentials) == expected


@given(st.text(min_size=1), st.lists(st.text()), st.sampled_from(["", "5ec4e7"]))
def test_fields_can_be_sent(name: str, groups: list[str], secret: str) -> None:
    fields = streamlit_fields(User(name, tuple(groups)), secret)

    assert [field for field, _ in fields] == list(streamlit_names(secret))
    assert all(is_claim(field) for field, _ in fields)
    assert all(value.isascii() and value.isprintable() for _, value in fields)
    assert json.loads(fields[1][1]) == groups


def test_usual_names_are_as_they_are() -> None:
    assert dict(streamlit_fields(User("ada.lovelace@example.org"), ""))["X-Fluxsync-User"] == (
        "ada.lovelace@example.org"
    )
    assert dict(streamlit_fields(User("100% Zo\xeb"), ""))["X-Fluxsync-User"] == "100%25 Zo%C3%AB"
