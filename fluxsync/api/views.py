"""What views take besides flask-openapi3's models: parts of the path, as Flask gives them.

All of it is checked when a view is registered. flask-openapi3 would fail with each request, or let
a parameter have its default for ever (4.3).
"""

from __future__ import annotations

import functools
import inspect
import re
import typing as t
import uuid

import pydantic

from ..exceptions import ApiError

#: Names of parameters that get models.
MODELS = ("header", "cookie", "path", "query", "form", "body", "raw")

#: Attribute of views for what :func:`spreading` has made of them.
_SPREADING = "_fluxsync_spreading"
_ARGUMENT = re.compile(r"<(?:(?P<converter>\w+)(?:\([^<>]*\))?:)?(?P<name>\w+)>")
_BRACES = re.compile(r"\{(\w+)(?::\w+)?\}")
#: Types of what Werkzeug's converters return.
_TYPES: dict[str | None, type] = {"int": int, "float": float, "uuid": uuid.UUID}


class UrlArguments(pydantic.BaseModel):
    """Base of models of the parts of a path that a view takes one by one."""


def path_model(rule: str, view: t.Callable[..., t.Any]) -> type[UrlArguments] | None:
    """Return a model of the parts of the path that a view takes, or ``None``.

    :param rule: Flask's, with the prefix that is known.
    :raise ApiError: The view takes what nobody gives it, or the rule is another framework's.
    """
    if found := _BRACES.search(rule):
        raise ApiError(f"path {rule!r}: write <{found[1]}> or <int:{found[1]}> for {found[0]}")
    converters = {match["name"]: match["converter"] for match in _ARGUMENT.finditer(rule)}
    what = f"view {view.__qualname__}() of {rule!r}"
    hints = _hints(view, what)
    fields: dict[str, t.Any] = {}
    for name, parameter in inspect.signature(view).parameters.items():
        kind = hints.get(name)
        is_model = isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in converters and not (is_model and name in MODELS):
            fields[name] = (kind or _TYPES.get(converters[name], str), ...)
        elif name in MODELS:
            _check_model(what, name, kind)
        elif parameter.default is parameter.empty or kind is not None:
            # Flask's own views may have defaults for what another rule of theirs has.
            raise ApiError(
                f"{what} takes {name!r}, which nobody fills: make it a part of the path, or a field "
                "of a pydantic model that is a parameter 'query', 'body', 'form', 'header' or 'cookie'"
            )
    if not fields:
        return None
    if isinstance(hints.get("path"), type) and "path" not in fields:
        raise ApiError(f"{what} takes 'path' and {', '.join(map(repr, fields))}: choose one way")
    return pydantic.create_model("Path", __base__=UrlArguments, **fields)


def documented(view: t.Callable[..., t.Any], path: type[UrlArguments]) -> t.Callable[..., t.Any]:
    """Return what flask-openapi3 is to read in a view's place."""

    @functools.wraps(view)
    def described() -> None: ...

    # The view's are evaluated in its own module.
    described.__annotations__ = {**t.get_type_hints(view), "path": path}
    return described


def spreading(view: t.Callable[..., t.Any], path: type[UrlArguments]) -> t.Callable[..., t.Any]:
    """Return a view that gets the parts of the path as a model, and passes them on one by one.

    For the same parts it's the same one, as Flask lets only one function have a name, for several
    methods, too.
    """
    known: dict[t.Any, t.Callable[..., t.Any]] = view.__dict__.setdefault(_SPREADING, {})
    parts = tuple((name, field.annotation) for name, field in path.model_fields.items())
    if parts in known:
        return known[parts]
    if inspect.iscoroutinefunction(view):

        @functools.wraps(view)
        async def spread_async(path: UrlArguments, **models: t.Any) -> t.Any:
            return await view(**dict(path), **models)

        spread: t.Any = spread_async
    else:

        @functools.wraps(view)
        def spread_sync(path: UrlArguments, **models: t.Any) -> t.Any:
            return view(**dict(path), **models)

        spread = spread_sync
    # flask-openapi3 keeps what it has made of a view there; this is another one.
    spread.__dict__.pop("view", None)
    known[parts] = spread
    return t.cast("t.Callable[..., t.Any]", spread)


def _hints(view: t.Callable[..., t.Any], what: str) -> dict[str, t.Any]:
    try:
        return t.get_type_hints(view)
    except NameError as e:
        raise ApiError(
            f"{what} has an annotation that can't be found ({e}): import it where the program runs"
        ) from None


def _check_model(what: str, name: str, kind: t.Any) -> None:
    if not (isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)):
        shown = getattr(kind, "__name__", kind) if kind is not None else "nothing"
        raise ApiError(f"{what} takes {name!r} as {shown}: expected a pydantic model")
