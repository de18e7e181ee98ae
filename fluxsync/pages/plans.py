"""How to call a page's function: what each of its parameters gets.

Made once by :mod:`.planning`, done in each run by :mod:`.running`.
"""

from __future__ import annotations

import dataclasses
import typing as t

import pydantic

from .annotations import Parameter
from .session_state import SessionModel, input_name


@dataclasses.dataclass(frozen=True)
class Provided:
    """Something of the application's or Streamlit's."""

    get: t.Callable[[], t.Any]


@dataclasses.dataclass(frozen=True)
class Text:
    """A query parameter, a header field or a cookie, converted."""

    kind: t.Literal["query", "header", "cookie"]
    #: In the URL or the request.
    name: str
    #: Of the function's parameter, under which tests override it.
    parameter: str
    type: pydantic.TypeAdapter[t.Any]
    #: Whether it takes all values of that name.
    many: bool
    default: t.Any


@dataclasses.dataclass(frozen=True)
class QueryModel:
    """A model whose fields are query parameters."""

    model: type[pydantic.BaseModel]
    parameter: str


@dataclasses.dataclass(frozen=True)
class State:
    """The session state: as a model, or something to read and write models."""

    marker: SessionModel
    model: type[pydantic.BaseModel] | None


@dataclasses.dataclass(frozen=True)
class Dependency:
    """What a function returns, yields, or would if it were awaited."""

    function: t.Callable[..., t.Any]
    plan: Plan
    use_cache: bool

    @property
    def key(self) -> object:
        """What stands for the function where values are kept: a callable may have no hash."""
        try:
            hash(self.function)
        except TypeError:
            return id(self.function)
        return self.function


Source: t.TypeAlias = "Provided | Text | QueryModel | State | Dependency"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A function's parameters and where their values come from; others have defaults."""

    sources: t.Mapping[str, Source]
    #: All of the function's parameters, for the manifest.
    parameters: tuple[Parameter, ...] = ()

    def without(self, given: t.Container[str]) -> Plan:
        """Return the plan without parameters that somebody else gives."""
        sources = {name: s for name, s in self.sources.items() if name not in given}
        return Plan(sources, self.parameters)

    def dependencies(self) -> t.Iterator[t.Callable[..., t.Any]]:
        """Iterate over the functions that are called before this one, however deep."""
        for dependency in self._below({}).values():
            yield dependency.function

    def _below(self, found: dict[int, Dependency]) -> dict[int, Dependency]:
        """Add the dependencies to those that are found already, each once."""
        for source in self.sources.values():
            if isinstance(source, Dependency) and id(source.function) not in found:
                found[id(source.function)] = source
                source.plan._below(found)
        return found

    def query_names(self) -> set[str]:
        """Return the query parameters that are read, dependencies included."""
        names = set()
        for plan in (self, *(dependency.plan for dependency in self._below({}).values())):
            for source in plan.sources.values():
                if isinstance(source, Text) and source.kind == "query":
                    names.add(source.name)
                elif isinstance(source, QueryModel):
                    fields = source.model.model_fields.items()
                    names |= {input_name(name, field) for name, field in fields}
        return names
