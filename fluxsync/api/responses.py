"""What views may return: pydantic models, dataclasses, and lists of them."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import flask
import pydantic
from flask.json.provider import DefaultJSONProvider
from pydantic_core import from_json, to_json


class Problem(pydantic.BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    #: For bad input: where it is and what's wrong with it.
    errors: list[dict[str, t.Any]] | None = None


class JSONProvider(DefaultJSONProvider):
    """Flask's, which also knows models within what is returned or given to ``jsonify``."""

    # The order of fields says something.
    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Read JSON; what is nested too deeply for Python's parser is as wrong as a typing error."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @staticmethod
    def default(value: t.Any) -> t.Any:
        """Return what JSON has for a value."""
        if _is_typed(value) or isinstance(value, datetime.date):
            # By way of text, which has null for NaN. Flask's own are HTTP's dates.
            return from_json(to_json(value, by_alias=True, inf_nan_mode="null"))
        return DefaultJSONProvider.default(value)


def with_json(returned: t.Any) -> t.Any:
    """Return what Flask understands in place of what a view has returned.

    A model, a dataclass, or a list or tuple of them becomes JSON as pydantic writes it, by
    alias. All else stays what it is.

    :param returned: With status and headers after it or not, as in Flask.
    """
    body: t.Any = returned
    rest: tuple[t.Any, ...] = ()
    if isinstance(returned, tuple) and len(returned) in (2, 3) and not _is_typed(returned[1]):
        body, rest = returned[0], returned[1:]
    if not _is_typed(body) and not _is_list(body):
        return returned
    text = to_json(body, by_alias=True, inf_nan_mode="null")
    response = flask.current_app.response_class(text + b"\n", mimetype="application/json")
    return (response, *rest) if rest else response


def _is_list(body: t.Any) -> bool:
    return isinstance(body, (list, tuple)) and any(map(_is_typed, body))


def _is_typed(value: t.Any) -> bool:
    if isinstance(value, pydantic.BaseModel):
        return True
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
