"""Work out how a page's function is to be called, when it's registered."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing as t

import pydantic

from ..exceptions import PageError
from .annotations import Parameter, Unknown, name_of, parameters, type_name
from .markers import MISSING, Cookie, Depends, DependsMarker, Header, Query, TextMarker
from .plans import Dependency, Plan, Provided, QueryModel, Source, State, Text
from .session_state import SessionModel

_EMPTY = inspect.Parameter.empty
_MARKERS = (DependsMarker, TextMarker, SessionModel)
_MAKERS = (Depends, Query, Header, Cookie, SessionModel)
_NO_NAMES: t.Mapping[str, t.Any] = types.MappingProxyType({})
_COLLECTIONS = (list, tuple, set, frozenset)
#: Each takes some of Python's stack in each run.
_DEEPEST = 100
_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}

Getter: t.TypeAlias = "t.Callable[[], t.Any]"


@dataclasses.dataclass(frozen=True)
class Planner:
    """Makes plans.

    :param names: What parameters of these names get.
    :param types: What parameters of these types get.
    :param strict: Whether each parameter of a page must get something.
    """

    names: t.Mapping[str, Getter]
    types: t.Mapping[type, Getter]
    strict: bool = False

    def plan(
        self,
        function: t.Callable[..., t.Any],
        what: str,
        local_names: t.Mapping[str, t.Any] = _NO_NAMES,
    ) -> Plan:
        """Return the plan for a page's function.

        :param what: What to call it in errors: ``page '/orders'``.
        :param local_names: Names that annotations may use besides the module's.
        :raise PageError: A parameter can't be filled.
        """
        return _Planning(self, what, local_names).plan(function, ())

    def plan_rest(
        self,
        function: t.Callable[..., t.Any],
        what: str,
        local_names: t.Mapping[str, t.Any] = _NO_NAMES,
    ) -> Plan:
        """Return the plan for those parameters that its caller doesn't give.

        :raise PageError: A parameter's marker is wrong.
        """
        return _Planning(self, what, local_names).plan(function, (), is_partial=True)


@dataclasses.dataclass(frozen=True)
class _Planning:
    """The making of one page's plan."""

    planner: Planner
    page: str
    local_names: t.Mapping[str, t.Any]
    #: Those of dependencies, by the functions' ids: many may depend on one.
    plans: dict[int, Plan] = dataclasses.field(default_factory=dict)

    def plan(
        self,
        function: t.Callable[..., t.Any],
        dependents: tuple[t.Callable[..., t.Any], ...],
        *,
        is_partial: bool = False,
    ) -> Plan:
        what = f"dependency {name_of(function)} of {self.page}" if dependents else self.page
        sources = {}
        found = parameters(function, self.local_names)
        for parameter in found:
            source = self._source(parameter, what, (*dependents, function))
            if source is None:
                if not is_partial:
                    self._check_rest(parameter, what, is_page=not dependents)
            elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                raise PageError(
                    f"{what} takes {parameter.name!r} by position only: remove the '/' after it"
                )
            else:
                sources[parameter.name] = source
        return Plan(sources, tuple(found))

    def _source(
        self, parameter: Parameter, what: str, path: tuple[t.Callable[..., t.Any], ...]
    ) -> Source | None:
        if parameter.kind in _STARS:
            return None
        marker = _marker(parameter, what)
        if isinstance(marker, DependsMarker):
            return self._dependency(marker, parameter, what, path)
        if isinstance(marker, SessionModel):
            return State(marker, _model(parameter, what))
        if marker is not None:
            return _text(marker, parameter, what)
        if parameter.name in self.planner.names:
            return Provided(self.planner.names[parameter.name])
        wanted = without_none(parameter.annotation)
        if isinstance(wanted, type):
            if issubclass(wanted, SessionModel):
                return State(SessionModel(), None)
            for kind, get in self.planner.types.items():
                # By inheritance: other classes may look like a SessionStore.
                if kind in wanted.__mro__:
                    return Provided(get)
        return None

    def _dependency(
        self,
        marker: DependsMarker,
        parameter: Parameter,
        what: str,
        path: tuple[t.Callable[..., t.Any], ...],
    ) -> Dependency:
        function = marker.dependency
        if not callable(function):
            raise PageError(
                f"{what} takes {parameter.name!r} with Depends({function!r}): give it a function"
            )
        if function in path:
            circle = " -> ".join(name_of(f) for f in (*path[path.index(function) :], function))
            raise PageError(f"{self.page} has dependencies in a circle: {circle}")
        if len(path) > _DEEPEST:
            raise PageError(
                f"{self.page} has more than {_DEEPEST} dependencies on top of each other"
            )
        if id(function) not in self.plans:
            self.plans[id(function)] = self.plan(function, path)
        return Dependency(function, self.plans[id(function)], marker.use_cache)

    def _check_rest(self, parameter: Parameter, what: str, *, is_page: bool) -> None:
        """Refuse a parameter that nobody fills, unless that's fine."""
        if parameter.kind in _STARS or parameter.default is not _EMPTY:
            if self.planner.strict and is_page:
                name = _STARS.get(parameter.kind, "") + parameter.name
                raise PageError(
                    f"{what} takes {name!r}, which nobody fills, and strict_page_signatures is "
                    "set: remove it"
                )
            return
        _evaluated(parameter, what)
        kinds = (kind.__name__ for kind in self.planner.types)
        known = ", ".join((*self.planner.names, *kinds, SessionModel.__name__))
        raise PageError(
            f"{what} takes a parameter {parameter.name!r} that nobody fills: give it a default, "
            f"or Depends, Query, Header or Cookie, or one of these names or types: {known}"
        )


def _marker(parameter: Parameter, what: str) -> t.Any:
    """Return what says where a parameter comes from, or ``None``."""
    candidates = (*parameter.markers, parameter.default)
    for candidate in candidates:
        if any(candidate is maker for maker in _MAKERS):
            name = candidate.__name__
            raise PageError(f"{what} takes {parameter.name!r} with {name}: write {name}(...)")
    found = [candidate for candidate in candidates if isinstance(candidate, _MARKERS)]
    if len(found) > 1:
        one, other = (_name(marker) for marker in found[:2])
        raise PageError(f"{what} takes {parameter.name!r} with {one} and {other}: choose one")
    return found[0] if found else None


def _name(marker: t.Any) -> str:
    """Return what a marker is written as."""
    if isinstance(marker, TextMarker):
        return marker.kind.capitalize()
    return "Depends" if isinstance(marker, DependsMarker) else "SessionModel"


def _text(marker: TextMarker, parameter: Parameter, what: str) -> Text | QueryModel:
    wanted = _evaluated(parameter, what)
    wanted = str if wanted is _EMPTY else wanted
    inner = without_none(wanted)
    if marker.kind == "query" and _is_model(inner):
        return QueryModel(_complete(inner, parameter, what), parameter.name)
    hyphens = parameter.name.replace("_", "-")
    name = marker.name or (hyphens if marker.kind == "header" else parameter.name)
    default = marker.default
    if default is MISSING and parameter.default not in (_EMPTY, marker):
        default = parameter.default
    if default is MISSING and inner is not wanted:
        default = None
    # Beside the type and the marker there may be limits: Annotated[int, Query(), Ge(1)].
    limits = [other for other in parameter.markers if other is not marker]
    annotated: t.Any = t.Annotated
    kind = (wanted, *limits)
    try:
        adapter = pydantic.TypeAdapter(annotated[kind] if limits else wanted)
    except pydantic.errors.PydanticUserError:
        raise PageError(
            f"{what} takes {parameter.name!r} as {type_name(wanted)}, which no text can be "
            "converted to: use str, int, a list of such, a date, an enum or a pydantic model"
        ) from None
    many = (t.get_origin(inner) or inner) in _COLLECTIONS
    return Text(marker.kind, name, parameter.name, adapter, many, default)


def _model(parameter: Parameter, what: str) -> type[pydantic.BaseModel] | None:
    wanted = _evaluated(parameter, what)
    if wanted in (_EMPTY, SessionModel):
        return None
    if _is_model(wanted):
        return _complete(wanted, parameter, what)
    raise PageError(
        f"{what} takes {parameter.name!r} with SessionModel and the type {type_name(wanted)}: "
        "use a pydantic model"
    )


def _is_model(kind: t.Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _complete(kind: t.Any, parameter: Parameter, what: str) -> type[pydantic.BaseModel]:
    """Return a model that can be used, whose fields' types are known."""
    model: type[pydantic.BaseModel] = kind
    try:
        model.model_rebuild()
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as e:
        reason = str(e).partition("\n")[0]
        raise PageError(
            f"{what} takes {parameter.name!r}, whose model is incomplete: {reason}"
        ) from (None)
    return model


def _evaluated(parameter: Parameter, what: str) -> t.Any:
    """Return a parameter's type, which is needed."""
    if isinstance(parameter.annotation, Unknown):
        unknown = parameter.annotation
        raise PageError(
            f"{what} takes {parameter.name!r}, whose type {unknown.text!r} can't be found "
            f"({unknown.reason}): import it where the program runs, too"
        )
    return parameter.annotation


def without_none(annotation: t.Any) -> t.Any:
    """Return the type behind ``X | None``; others as they are."""
    if t.get_origin(annotation) in (t.Union, types.UnionType):
        given = t.get_args(annotation)
        rest = [other for other in given if other is not type(None)]
        if len(rest) == 1 and len(rest) < len(given):
            return rest[0]
    return annotation
