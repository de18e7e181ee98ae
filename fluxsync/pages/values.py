"""Values out of a page's URL, its request and its session: found, converted, or explained."""

from __future__ import annotations

import re
import typing as t

import pydantic

from ..exceptions import PageInputError
from ..telemetry.redaction import MASK, is_secret_name
from .markers import MISSING
from .session_state import SessionModel, input_name

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .plans import QueryModel, Text

_WHERE = {"query": "query parameter", "header": "header field", "cookie": "cookie"}


class Texts:
    """The texts of one run of a page.

    :param st: The :mod:`streamlit` module.
    :param overrides: What tests put in the place of parameters, by their names.
    """

    def __init__(self, st: t.Any, overrides: Mapping[str, t.Any]) -> None:
        self._st = st
        self.overrides = overrides

    def find(self, kind: str, name: str) -> list[str]:
        """Return all values of that name."""
        if kind == "query":
            return list(self._st.query_params.get_all(name))
        if kind == "header":
            return list(self._st.context.headers.get_all(name))
        # Names of cookies are case-sensitive (RFC 6265 5.3, step 11). Under AppTest, this mapping
        # has something for whatever is asked for, and yet no keys (Streamlit 1.67).
        cookies = dict(self._st.context.cookies)
        return [cookies[name]] if name in cookies else []


def text_value(source: Text, texts: Texts) -> t.Any:
    """Return the value of a query parameter, header field or cookie.

    :raise PageInputError: It's missing, or can't be converted.
    """
    if source.parameter in texts.overrides:
        found = texts.overrides[source.parameter]
        if found is None:
            return _default(source)
    else:
        values = texts.find(source.kind, source.name)
        if not values and (source.default is not MISSING or not source.many):
            return _default(source)
        # Of several, the last one counts, as for st.query_params.
        found = values if source.many else values[-1]
    try:
        return source.type.validate_python(found)
    except pydantic.ValidationError as e:
        # What's in header fields and cookies is often somebody's credentials.
        is_secret = source.kind != "query" or is_secret_name(source.name)
        raise _input_error(_WHERE[source.kind], source.name, e, is_secret=is_secret) from None


def _default(source: Text) -> t.Any:
    if source.default is not MISSING:
        return source.default
    raise PageInputError(f"{_WHERE[source.kind]} {source.name!r} is missing")


def query_model(source: QueryModel, texts: Texts) -> pydantic.BaseModel:
    """Return a model made of query parameters.

    :raise PageInputError: They don't fit.
    """
    if source.parameter in texts.overrides:
        values = texts.overrides[source.parameter]
    else:
        values = model_values(source.model, lambda name: texts.find("query", name))
    try:
        return source.model.model_validate(values)
    except pydantic.ValidationError as e:
        raise query_error(e) from None


def model_values(
    model: type[pydantic.BaseModel], find: t.Callable[[str], list[str]]
) -> dict[str, t.Any]:
    """Return the texts for a model's fields: all of a name for a collection, else the last."""
    found = {}
    for name, field in model.model_fields.items():
        key = input_name(name, field)
        values = find(key)
        if values:
            found[key] = values if takes_many(field.annotation) else values[-1]
    return found


def takes_many(annotation: t.Any) -> bool:
    """Whether a type is a collection, or one or nothing."""
    if t.get_origin(annotation) in (list, tuple, set, frozenset):
        return True
    return annotation in (list, tuple, set, frozenset) or any(
        takes_many(part) for part in t.get_args(annotation) if part is not type(None)
    )


def state_model(reader: SessionModel, model: type[pydantic.BaseModel]) -> pydantic.BaseModel:
    """Return a model made of the session state.

    :raise PageInputError: It doesn't fit.
    """
    try:
        return reader.read_into(model)
    except pydantic.ValidationError as e:
        raise _input_error("session state", "", e) from None


def query_error(error: pydantic.ValidationError) -> PageInputError:
    """Return what's wrong with query parameters, in one line."""
    return _input_error(_WHERE["query"], "", error)


def sentence(error: Exception) -> str:
    """Return what an error says, for ``st.error``: as Markdown without links, images and code.

    What a URL says is anybody's who sends a link to it.
    """
    text = str(error)
    plain = re.sub(r"([\\`\[\]<>$~])", r"\\\1", f"{text[:1].upper()}{text[1:]}.")
    # Streamlit's Markdown makes links of plain addresses, too, unless there's something in them.
    return re.sub(r":(?=//)|\bwww(?=\.)|@", "\\g<0>\u200b", plain, flags=re.IGNORECASE)


def _input_error(
    where: str, name: str, error: pydantic.ValidationError, *, is_secret: bool = False
) -> PageInputError:
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"] if isinstance(part, str)]
    name = name or (place[0] if place else "")
    message = re.sub(r"^(Input should be|Value error,) ", "", first["msg"])
    if first["type"] == "missing":
        return PageInputError(f"{where} {name!r} is missing")
    value = MASK if is_secret or is_secret_name(name) else repr(first["input"])[:200]
    return PageInputError(f"{where} {name!r} is {value}: expected {message}")
