from __future__ import annotations

import types
import typing as t

import pydantic
import pytest

from fluxsync import SessionModel


class Filters(pydantic.BaseModel):
    year: int = 2025
    region: str = pydantic.Field("all", alias="Region")


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    year: int = 2025


def streamlit(**state: t.Any) -> t.Any:
    """Return something with a session state: reading and writing needs no more of Streamlit."""
    return types.SimpleNamespace(session_state=state)


def test_read_into() -> None:
    st = streamlit(year="2024", region="north", other=object())

    filters = SessionModel(st).read_into(Filters)

    assert (filters.year, filters.region) == (2024, "north")


def test_read_into_with_defaults() -> None:
    assert SessionModel(streamlit()).read_into(Filters).year == 2025


def test_what_does_not_fit() -> None:
    with pytest.raises(pydantic.ValidationError):
        SessionModel(streamlit(year="soon")).read_into(Filters)


def test_write_from() -> None:
    st = streamlit(other=1)

    SessionModel(st).write_from(Filters(year=2023, Region="all"))

    assert st.session_state == {"other": 1, "year": 2023, "region": "all"}


def test_extra() -> None:
    st = streamlit()

    SessionModel(st).write_from(Open.model_validate({"year": 1, "colour": "red"}))
    assert st.session_state == {"year": 1}
    with pytest.raises(ValueError, match="Open has no fields 'colour'"):
        SessionModel(st, extra="forbid").write_from(
            Open.model_validate({"year": 2, "colour": "red"})
        )
    assert st.session_state == {"year": 1}


def test_unknown_extra() -> None:
    with pytest.raises(ValueError, match="extra='allow': expected 'ignore' or 'forbid'"):
        SessionModel(extra="allow")  # type: ignore[arg-type]
