from __future__ import annotations

import types
import typing as t

import pydantic
import pytest

from fluxsync import parse_query_params
from fluxsync.pages import parse_query_params_adapter


class Filters(pydantic.BaseModel):
    year: int = 2025
    tags: list[str] = []
    region: set[str] | None = pydantic.Field(None, alias="r")


class Required(pydantic.BaseModel):
    year: int


class Stopped(Exception):
    """What ``st.stop()`` raises here."""


class Params(dict[str, list[str]]):
    """As ``st.query_params``: the last value of a name, or all of them."""

    def get_all(self, name: str) -> list[str]:
        return self.get(name, [])


class Streamlit(types.SimpleNamespace):
    """What of Streamlit the parsing needs; how it looks is tested in pages."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        super().__init__(query_params=params, errors=[])

    def error(self, text: str) -> None:
        self.errors.append(text)

    def stop(self) -> t.NoReturn:
        raise Stopped


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        pytest.param({}, (2025, [], None), id="defaults"),
        pytest.param({"year": ["2023", "2024"]}, (2024, [], None), id="the last one counts"),
        pytest.param({"tags": ["a"]}, (2025, ["a"], None), id="list of one"),
        pytest.param({"tags": ["a", "b"], "r": ["x"]}, (2025, ["a", "b"], {"x"}), id="collections"),
    ],
)
def test_parse(params: dict[str, list[str]], expected: tuple[t.Any, ...]) -> None:
    found = parse_query_params(Streamlit(Params(params)), Filters)

    assert (found.year, found.tags, found.region) == expected


def test_plain_mapping() -> None:
    """Tests of pages may have one in the place of Streamlit's."""
    found = parse_query_params(Streamlit({"year": "2024", "tags": ["a"]}), Filters)

    assert (found.year, found.tags) == (2024, ["a"])


def test_what_does_not_fit() -> None:
    """The page says so, and goes on with the defaults, or ends."""
    st = Streamlit(Params(year=["soon"]))

    assert parse_query_params(st, Filters).year == 2025
    assert st.errors == [
        "Query parameter 'year' is 'soon': expected a valid integer, unable to parse string as an "
        "integer."
    ]
    with pytest.raises(pydantic.ValidationError):
        parse_query_params(st, Filters, strict=True)
    with pytest.raises(Stopped):
        parse_query_params(Streamlit(Params()), Required)


def test_adapter() -> None:
    adapter = pydantic.TypeAdapter(dict[str, int | list[int]])
    st = Streamlit(Params(a=["1"], b=["2", "3"]))

    assert parse_query_params_adapter(st, adapter) == {"a": 1, "b": [2, 3]}
    with pytest.raises(pydantic.ValidationError):
        parse_query_params_adapter(Streamlit(Params(a=["x"])), adapter, strict=True)
    wrong = Streamlit(Params(a=["x"]))
    with pytest.raises(pydantic.ValidationError):
        parse_query_params_adapter(wrong, adapter)
    assert len(wrong.errors) == 1
