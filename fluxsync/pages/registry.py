"""Pages as they're registered. Doesn't import Streamlit."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
import typing as t

from ..exceptions import PageError
from ..sansio.routing import reserved_segment
from .annotations import code_of, name_of
from .meta import PageMeta

if t.TYPE_CHECKING:
    from .planning import Planner
    from .plans import Plan

PageFunction: t.TypeAlias = "t.Callable[..., t.Any]"

_SEGMENT = re.compile(r"[\w.~-]+")


@dataclasses.dataclass(frozen=True, eq=False)
class PageRecord:
    """A registered page."""

    path: str
    title: str
    icon: str | None
    function: PageFunction
    tags: tuple[str, ...]
    meta: PageMeta
    #: What the function's parameters get.
    plan: Plan

    @property
    def slug(self) -> str:
        """The path without its slash; empty for the default page."""
        return self.path[1:]

    @property
    def description(self) -> str:
        """What the page is about, in a line: from its meta data, else its docstring."""
        own = inspect.getdoc(self.function) or ""
        return self.meta.description or own.partition("\n")[0]


class PageRegistry:
    """The pages of one application, in the order of their registration.

    :param api_mount: Path of the API, where no page can be.
    :param planner: Knows what functions' parameters get.
    :param yields: Whether pages may be generator functions.
    """

    def __init__(self, api_mount: str, planner: Planner, *, yields: bool = False) -> None:
        self._api_mount = api_mount
        self._planner = planner
        self._yields = yields
        self._records: dict[str, PageRecord] = {}

    @property
    def records(self) -> tuple[PageRecord, ...]:
        """All pages."""
        return tuple(self._records.values())

    def add(
        self,
        path: str,
        function: PageFunction,
        *,
        title: str | None = None,
        icon: str | None = None,
        tags: t.Iterable[str] = (),
        meta: PageMeta | None = None,
        local_names: t.Mapping[str, t.Any] | None = None,
    ) -> PageRecord:
        """Register a page.

        :param local_names: Names of the function that registers it, if it's in one.
        :raise PageError: Streamlit can't serve it, something else answers its path, or a
            parameter can't be filled.
        """
        path = self._check_path(path)
        what = f"page {path!r}"
        if not callable(function):
            raise PageError(f"{what} is {function!r}: expected a function")
        if path in self._records:
            other = self._records[path].function
            raise PageError(
                f"{what} of {name_of(function)} is registered already, by {name_of(other)}: "
                "give one of them another path"
            )
        self._check_kind(what, function)
        record = PageRecord(
            path,
            _text(what, "title", title) or _title(function),
            _text(what, "icon", icon),
            function,
            _tags(what, tags),
            _meta(what, meta),
            self._planner.plan(function, what, local_names or {}),
        )
        self._records[path] = record
        return record

    @contextlib.contextmanager
    def all_or_nothing(self) -> t.Iterator[None]:
        """Forget what is registered within if an exception comes out of it."""
        before = dict(self._records)
        try:
            yield
        except BaseException:
            self._records = before
            raise

    def _check_kind(self, what: str, function: PageFunction) -> None:
        code = code_of(function)
        if inspect.isasyncgenfunction(code):
            raise PageError(f"{what} is an asynchronous generator: use a function")
        if inspect.isgeneratorfunction(code) and not self._yields:
            raise PageError(
                f"{what} yields: use return, or set experimental_yield_pages to have each "
                "PageMeta that it yields take effect at once"
            )

    def _check_path(self, path: str) -> str:
        if not isinstance(path, str):
            raise PageError(f"page {path!r} has no path: expected a text such as '/name'")
        segment = path.strip("/")
        if "/" in segment:
            flat = segment.replace("/", "-")
            raise PageError(
                f"page {path!r} has a nested path, which Streamlit can't serve: use '/{flat}'"
            )
        if segment and (not _SEGMENT.fullmatch(segment) or not segment.strip(".")):
            raise PageError(
                f"page {path!r} has characters that a page's path can't have: use letters, "
                "digits, '-' and '_'"
            )
        owner = reserved_segment(segment, self._api_mount) if segment else None
        if owner:
            raise PageError(
                f"page {path!r} would never be seen, as {owner} answers '/{segment}': use "
                "another path"
            )
        return f"/{segment}"


def _text(what: str, name: str, value: t.Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise PageError(f"{what} has {name}={value!r}: expected a text")
    return value or None


def _tags(what: str, tags: t.Any) -> tuple[str, ...]:
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags or ()):
        raise PageError(f"{what} has tags={tags!r}: expected a list of texts")
    return tuple(tags or ())


def _meta(what: str, meta: t.Any) -> PageMeta:
    if isinstance(meta, dict):
        meta = PageMeta(**meta)
    if meta is not None and not isinstance(meta, PageMeta):
        raise PageError(f"{what} has page_meta={meta!r}: expected PageMeta")
    return meta or PageMeta()


def _title(function: PageFunction) -> str:
    name = getattr(function, "__name__", "page").strip("_")
    return name.replace("_", " ").title() or "Page"
