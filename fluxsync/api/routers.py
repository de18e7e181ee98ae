"""Parts of an API: blueprints with OpenAPI."""

from __future__ import annotations

import collections
import dataclasses
import inspect
import re
import sys
import threading
import typing as t

import pydantic
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.scaffold import APIScaffold

from ..exceptions import ApiError
from .responses import Problem
from .views import UrlArguments, documented, path_model, spreading

_counts: collections.Counter[str] = collections.Counter()
_lock = threading.Lock()


def router(
    *, prefix: str = "", tags: t.Sequence[str | Tag] | None = None, name: str | None = None
) -> Router:
    """Return a router: a Flask blueprint with OpenAPI, for ``app.api.register_api(router)``.

    .. code-block:: python

        users = router(prefix="/users", tags=["users"])

        @users.get("/<int:id>")
        def user(path: UserPath) -> User: ...

    :param prefix: What the paths of its views begin with: ``"/users"``, or nothing.
    :param tags: Under which the documentation lists its views.
    :param name: Begins its endpoints' names, for ``url_for``; made from the calling module's
        name and the prefix if not given.
    :raise ApiError: One of them can't be used.
    """
    given: t.Any = prefix
    if not isinstance(given, str) or (given.strip("/") and not given.startswith("/")):
        raise ApiError(f"router prefix={given!r}: expected a path that begins with '/'")
    prefix = prefix.rstrip("/")
    if re.search(r"[\s?#]|//", prefix):
        raise ApiError(f"router prefix={prefix!r}: expected a path without spaces, '//', ? and #")
    named: t.Any = name
    module = str(sys._getframe(1).f_globals.get("__name__", "router"))
    if named is None:
        named = _unused(f"{module}{prefix}")
    elif not isinstance(named, str) or not named or "." in named:
        raise ApiError(f"router name={name!r}: expected a name without dots")
    return Router(named, module, prefix, as_tags("router tags", tags))


class Documented:
    """Lets views be documented in words that flask-openapi3 doesn't know."""

    def _collect_openapi_info(
        self, rule: str, func: t.Callable[..., t.Any], **options: t.Any
    ) -> t.Any:
        options["tags"] = as_tags(f"{rule} tags", options.get("tags"))
        responses = dict(options.get("responses") or {})
        if not any(str(status).startswith("2") for status in responses):
            returned = _returned(func)
            if _model_of(returned) is not None:
                responses[200] = returned
        for status, kind in responses.items():
            responses[status] = _model_of(kind) or kind
        options["responses"] = responses or None
        path = path_model((getattr(self, "url_prefix", None) or "") + rule, func)
        read = documented(func, path) if path is not None else func
        return super()._collect_openapi_info(rule, read, **options)  # type: ignore[misc]

    @staticmethod
    def create_view_func(
        func: t.Callable[..., t.Any],
        header: t.Any,
        cookie: t.Any,
        path: t.Any,
        *models: t.Any,
        **options: t.Any,
    ) -> t.Any:
        """Return what Flask calls in the place of a view; flask-openapi3's."""
        if path is not None and issubclass(path, UrlArguments):
            func = spreading(func, path)
        return APIScaffold.create_view_func(func, header, cookie, path, *models, **options)


class Router(Documented, APIBlueprint):
    """What :func:`router` returns."""

    def __init__(self, name: str, module: str, prefix: str, tags: list[Tag]) -> None:
        options: dict[str, t.Any] = {"url_prefix": prefix or None, "abp_tags": tags}
        try:
            super().__init__(name, module, abp_responses={422: Problem}, **options)
        except ValueError as e:
            raise ApiError(f"router name={name!r}: {e}") from e

    def include_router(self, router: APIBlueprint) -> None:
        """Put another router under this one's prefix, as ``register_api`` does."""
        check_router(router)
        self.register_api(router)


def check_router(router: object) -> None:
    """Make sure that something is a router.

    :raise ApiError: It isn't.
    """
    if not isinstance(router, APIBlueprint):
        raise ApiError(
            f"include_router: expected what fluxsync.api.router() returns, got {router!r:.80}"
        )


def as_tags(what: str, tags: t.Sequence[str | Tag] | None) -> list[Tag]:
    """Return tags as objects.

    :param what: Begins the message of an error.
    :raise ApiError: Some of them are neither names nor tags.
    """
    if isinstance(tags, (str, Tag)):
        raise ApiError(f"{what}={tags!r}: expected a list of names")
    found = []
    tag: t.Any
    for tag in tags or ():
        if not isinstance(tag, (str, Tag)) or not tag:
            raise ApiError(f"{what}: expected names, got {tag!r}")
        found.append(Tag(name=tag) if isinstance(tag, str) else tag)
    return found


def _unused(text: str) -> str:
    name = re.sub(r"\W+", "_", text).strip("_") or "router"
    with _lock:
        _counts[name] += 1
        count = _counts[name]
    return name if count == 1 else f"{name}_{count}"


def _returned(view: t.Callable[..., t.Any]) -> t.Any:
    try:
        return t.get_type_hints(inspect.unwrap(view)).get("return")
    except Exception:  # noqa: BLE001 # annotations may be any code, and are no more than a help here
        return None


def _model_of(kind: t.Any) -> type[pydantic.BaseModel] | None:
    """Return the model that describes a type, if it's one that views' answers are made of."""
    if isinstance(kind, type) and not t.get_origin(kind):
        if issubclass(kind, pydantic.BaseModel):
            return kind
        return _root(kind.__name__, kind) if dataclasses.is_dataclass(kind) else None
    items = t.get_args(kind)
    if t.get_origin(kind) not in (list, tuple) or not items or items[1:] not in ((), (...,)):
        return None
    item = items[0]
    is_known = isinstance(item, type) and (
        issubclass(item, pydantic.BaseModel) or dataclasses.is_dataclass(item)
    )
    return _root(f"{item.__name__}List", list[item]) if is_known else None  # type: ignore[valid-type]


def _root(name: str, kind: t.Any) -> type[pydantic.BaseModel]:
    return t.cast(
        "type[pydantic.BaseModel]",
        type(name, (pydantic.RootModel[kind],), {"__module__": __name__}),
    )
