"""What a page says of itself besides its path and title."""

from __future__ import annotations

import typing as t

import pydantic

from ..exceptions import PageError

#: What ``st.set_page_config`` takes of :class:`PageMeta`.
_CONFIG = ("page_title", "page_icon", "layout", "initial_sidebar_state")


class ChildPage(pydantic.BaseModel):
    """A page below another one in the navigation."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    #: Path of a registered page.
    path: str = pydantic.Field(validation_alias=pydantic.AliasChoices("path", "url_path"))
    #: Instead of the page's own.
    title: str | None = None
    icon: str | None = None


def _child(value: t.Any) -> t.Any:
    return {"path": value} if isinstance(value, str) else value


class PageMeta(pydantic.BaseModel):
    """Looks and place of a page.

    Given when the page is registered, and returned or yielded by the page itself, whose fields
    then win.

    :raise PageError: A field is wrong or unknown.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    #: Title of the browser's tab, if not the page's own.
    page_title: str | None = None
    #: Icon of the browser's tab, and in the navigation if the page has no other.
    page_icon: str | None = None
    layout: t.Literal["centered", "wide"] | None = None
    initial_sidebar_state: t.Literal["auto", "expanded", "collapsed"] | None = None
    #: Shown in small letters above the page: a text, or its parts.
    breadcrumb: str | tuple[str, ...] | None = None
    #: Place in the navigation: the lowest comes first, and those without one last.
    order: int | None = None
    #: For the manifest, instead of the first line of the page's docstring. If the page returns
    #: it, it's shown below the breadcrumb.
    description: str | None = None
    #: Pages below this one, as paths or as ``{"path": ..., "title": ..., "icon": ...}``. They
    #: make a section of the navigation with this page's title.
    children: tuple[t.Annotated[ChildPage, pydantic.BeforeValidator(_child)], ...] = ()

    def __init__(self, **values: t.Any) -> None:
        try:
            super().__init__(**values)
        except pydantic.ValidationError as e:
            raise PageError(explain("PageMeta", e, type(self))) from None

    @property
    def config(self) -> dict[str, t.Any]:
        """Arguments for ``st.set_page_config``."""
        values = ((name, getattr(self, name)) for name in _CONFIG)
        return {name: value for name, value in values if value is not None}

    @property
    def trail(self) -> str:
        """The breadcrumb as one line; empty if there's none."""
        parts = self.breadcrumb or ()
        return parts if isinstance(parts, str) else " / ".join(parts)


#: FluxLit's other name for it.
Page = PageMeta


def page_meta(value: t.Any) -> PageMeta | None:
    """Return what a page has returned as its meta data, if that's what it is.

    :raise PageError: It's a mapping that isn't one.
    """
    if isinstance(value, PageMeta) or value is None:
        return value
    if not isinstance(value, dict):
        return None
    if not all(isinstance(name, str) for name in value):
        raise PageError(f"{value!r} isn't PageMeta: expected names of its fields")
    return PageMeta(**value)


def explain(what: str, error: pydantic.ValidationError, model: type[pydantic.BaseModel]) -> str:
    """Say in one line what's wrong with a model's values."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{what} has no field {where!r}: use one of {', '.join(model.model_fields)}"
    return f"{what} {where}={first['input']!r}: expected {first['msg'].lower()}"
