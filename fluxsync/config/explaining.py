"""Say in one line what is wrong with a setting."""

from __future__ import annotations

import typing as t

from ..exceptions import ConfigError
from . import sources
from .fields import LIST
from .masking import shown

if t.TYPE_CHECKING:
    import pydantic
    from pydantic.fields import FieldInfo


def explain(
    error: pydantic.ValidationError,
    found: dict[str, sources.Found],
    fields: t.Mapping[str, FieldInfo],
) -> ConfigError:
    """Turn pydantic's first complaint into one line.

    :param fields: Those of the class, which may be an application's own.
    """
    first = error.errors()[0]
    name = str(first["loc"][0])
    field = fields[name]
    given = found.get(name, sources.Found("", "default"))
    expected = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        expected = "a value, as there is no default"
    elif first["type"] == "literal_error":
        expected = f"one of {first['ctx']['expected']}"
    elif field.annotation is bool:
        expected = "true or false"
    elif field.annotation in (int, float):
        expected = _range(field)
    elif first["type"] in ("string_type", "tuple_type"):
        expected = "a text" if field.annotation is str else LIST
    elif first["type"] == "dict_type":
        expected = "a JSON object"
    return ConfigError(
        name, shown(field.metadata, given.value), source=given.source, expected=expected
    )


def _range(field: FieldInfo) -> str:
    """Say which numbers a setting takes."""
    limits = {k: getattr(m, k) for m in field.metadata for k in ("ge", "gt", "le") if hasattr(m, k)}
    kind = "an integer" if field.annotation is int else "a number"
    low = f" from {limits['ge']}" if "ge" in limits else ""
    low = f" over {limits['gt']}" if "gt" in limits else low
    return kind + low + (f" to {limits['le']}" if "le" in limits else "")
