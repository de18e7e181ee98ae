"""Query parameters as a pydantic model."""

from __future__ import annotations

import typing as t

import pydantic

from .values import model_values, query_error, sentence

ModelT = t.TypeVar("ModelT", bound=pydantic.BaseModel)
ValueT = t.TypeVar("ValueT")


def parse_query_params(st: t.Any, model: type[ModelT], *, strict: bool = False) -> ModelT:
    """Return the page's query parameters as a model.

    A field that is a collection takes all parameters of its name, others the last one.

    :param st: The :mod:`streamlit` module.
    :param strict: Whether to raise if they don't fit. Otherwise the page shows what is wrong,
        and goes on with the model's defaults, or stops if there are none.
    :raise pydantic.ValidationError: They don't fit, and *strict* is set.
    """
    try:
        return model.model_validate(model_values(model, lambda name: _get_all(st, name)))
    except pydantic.ValidationError as e:
        if strict:
            raise
        _show(st, e)
    try:
        return model.model_validate({})
    except pydantic.ValidationError:
        st.stop()
        raise


def parse_query_params_adapter(
    st: t.Any, adapter: pydantic.TypeAdapter[ValueT], *, strict: bool = False
) -> ValueT:
    """Return the page's query parameters as whatever a type adapter makes of them.

    :param adapter: Gets a dictionary; names that occur several times have a list.
    :param strict: Whether not to show on the page what is wrong.
    :raise pydantic.ValidationError: They don't fit.
    """
    found = {name: _get_all(st, name) for name in st.query_params}
    values = {name: many if len(many) > 1 else many[0] for name, many in found.items() if many}
    try:
        return adapter.validate_python(values)
    except pydantic.ValidationError as e:
        if not strict:
            _show(st, e)
        raise


def _get_all(st: t.Any, name: str) -> list[str]:
    params = st.query_params
    if hasattr(params, "get_all"):
        return list(params.get_all(name))
    value = params.get(name, [])  # a plain mapping, as tests may have
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _show(st: t.Any, error: pydantic.ValidationError) -> None:
    st.error(sentence(query_error(error)))
