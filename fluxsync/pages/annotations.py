"""What a function's parameters are annotated with, written out or as text."""

from __future__ import annotations

import functools
import inspect
import typing as t

from ..exceptions import PageError


class Unknown:
    """An annotation that names something that can't be found.

    :param text: The annotation.
    :param reason: Why.
    """

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason


class Parameter(t.NamedTuple):
    """A parameter of a function."""

    name: str
    #: ``inspect.Parameter.empty`` if there's none.
    annotation: t.Any
    #: What stands beside the type in ``Annotated``.
    markers: tuple[t.Any, ...]
    #: ``inspect.Parameter.empty`` if there's none.
    default: t.Any
    kind: t.Any


def parameters(
    function: t.Callable[..., t.Any], local_names: t.Mapping[str, t.Any]
) -> list[Parameter]:
    """Return a callable's parameters, with annotations evaluated one by one.

    One that can't be evaluated is :class:`Unknown`, and no reason to give the others up: names
    that are imported for type checkers only are common.

    :param local_names: Names of the function that registers this one. What only annotations
        mention is in no closure (PEP 563).
    :raise PageError: It's not callable, or hides its parameters.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as e:
        raise PageError(f"{name_of(function)} can't be called with parameters: {e}") from None
    names = {**_globals(function), **local_names, **_closure(function)}
    found = []
    for parameter in signature.parameters.values():
        annotation, markers = _evaluate(parameter.annotation, names), ()
        if t.get_origin(annotation) is t.Annotated:
            annotation, *rest = t.get_args(annotation)
            markers = tuple(rest)
        found.append(
            Parameter(parameter.name, annotation, markers, parameter.default, parameter.kind)
        )
    return found


def name_of(function: t.Any) -> str:
    """Return what to call a callable in messages: ``orders()``."""
    name = getattr(_unwrap(function), "__qualname__", None)
    return f"{name}()" if name else repr(function)


def qualified_name(function: t.Any) -> str:
    """Return ``module.name`` of a callable, the same in each process."""
    function = _unwrap(function)
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


def type_name(annotation: t.Any) -> str:
    """Return a type as it's written, without addresses and the like."""
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, Unknown):
        return annotation.text
    if annotation is type(None) or annotation is t.Any:
        return "Any" if annotation is t.Any else "None"
    if isinstance(annotation, type) and not t.get_args(annotation):
        is_builtin = annotation.__module__ == "builtins"
        return annotation.__qualname__ if is_builtin else qualified_name(annotation)
    # list[app.User], app.User | None, Literal['a'], Callable[[int], str]: all without addresses.
    return str(annotation)


def _unwrap(function: t.Any) -> t.Any:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function) if callable(function) else function


def code_of(function: t.Any) -> t.Any:
    """Return the function whose code runs when something is called."""
    function = _unwrap(function)
    if isinstance(function, type):
        function = getattr(function, "__init__")  # noqa: B009 # mypy calls the plain way unsound
    elif not hasattr(function, "__globals__") and not hasattr(function, "__func__"):
        function = getattr(type(function), "__call__", function)  # noqa: B004 # its code
    return getattr(function, "__func__", function)


def _globals(function: t.Any) -> dict[str, t.Any]:
    return getattr(code_of(function), "__globals__", {})


def _closure(function: t.Any) -> dict[str, t.Any]:
    function = code_of(function)
    names = {}
    free = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(free, getattr(function, "__closure__", None) or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
    return names


def _evaluate(annotation: t.Any, names: dict[str, t.Any]) -> t.Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        # The function's author wrote it: it's code of the application like the rest.
        return eval(annotation, names)  # noqa: S307
    except Exception as e:  # noqa: BLE001 - whatever it says, it's for the message
        return Unknown(annotation, str(e))
