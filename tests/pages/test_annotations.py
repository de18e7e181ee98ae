from __future__ import annotations

import functools
import inspect
import typing as t

import pytest

from fluxsync.exceptions import PageError
from fluxsync.pages.annotations import Unknown, name_of, parameters, qualified_name, type_name


class Model: ...


class Caller:
    def __call__(self, model: Model) -> None: ...

    def method(self, model: Model) -> None: ...


def plain(model: Model, text: t.Annotated[str, "marker"] = "x") -> None: ...


@functools.wraps(plain)
def wrapped(*args: t.Any) -> None: ...


def test_parameters() -> None:
    model, text = parameters(plain, {})

    assert (model.name, model.annotation, model.default) == (
        "model",
        Model,
        inspect.Signature.empty,
    )
    assert (text.annotation, text.markers, text.default) == (str, ("marker",), "x")


@pytest.mark.parametrize(
    "function",
    [wrapped, Caller(), Caller().method, functools.partial(plain), functools.partial(Caller())],
    ids=["decorated", "object", "method", "partial", "partial of an object"],
)
def test_names_are_those_of_the_module(function: t.Callable[..., t.Any]) -> None:
    assert parameters(function, {})[0].annotation is Model


def test_names_of_closures_win() -> None:
    class Local: ...

    def function(a: Local, b: Missing) -> type:  # type: ignore[name-defined] # noqa: F821
        return Local

    first, second = parameters(function, {"Local": int})

    assert first.annotation is Local
    assert isinstance(second.annotation, Unknown)
    assert (second.annotation.text, "Missing" in second.annotation.reason) == ("Missing", True)


def test_no_signature() -> None:
    with pytest.raises(PageError, match="can't be called with parameters"):
        parameters(print if not _has_signature(print) else _NoSignature(), {})


class _NoSignature:
    __signature__ = 3

    def __call__(self) -> None: ...


def _has_signature(function: t.Any) -> bool:
    try:
        inspect.signature(function)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (plain, "plain()"),
        (functools.partial(plain), "plain()"),
        (Caller().method, "Caller.method()"),
        (Caller, "Caller()"),
    ],
)
def test_name_of(function: t.Any, name: str) -> None:
    assert name_of(function) == name


def test_qualified_name() -> None:
    assert qualified_name(plain) == f"{__name__}.plain"
    assert qualified_name(Caller()) == f"{__name__}.Caller"


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (inspect.Signature.empty, ""),
        (int, "int"),
        (Model, f"{__name__}.Model"),
        (None, "None"),
        (type(None), "None"),
        (t.Any, "Any"),
        (list[Model], f"list[{__name__}.Model]"),
        (Model | None, f"{__name__}.Model | None"),
        (t.Literal["a"], "typing.Literal['a']"),
        (Unknown("Later", "why"), "Later"),
    ],
)
def test_type_name(annotation: t.Any, name: str) -> None:
    assert type_name(annotation) == name
