"""Pages as they're registered. Doesn't import Streamlit."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing as t

from ..exceptions import PageError
from ..sansio.routing import reserved_segment

PageFunction: t.TypeAlias = "t.Callable[..., t.Any]"

#: Parameters that a page may have.
INJECTED = ("st", "client")

_SEGMENT = re.compile(r"[\w.~-]+")


@dataclasses.dataclass(frozen=True)
class PageRecord:
    """A registered page."""

    path: str
    title: str
    icon: str | None
    function: PageFunction
    #: Which of :data:`INJECTED` the function takes.
    parameters: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The path without its slash; empty for the default page."""
        return self.path[1:]


class PageRegistry:
    """The pages of one application, in the order of their registration.

    :param api_mount: Path of the API, where no page can be.
    """

    def __init__(self, api_mount: str) -> None:
        self._api_mount = api_mount
        self._records: dict[str, PageRecord] = {}

    @property
    def records(self) -> tuple[PageRecord, ...]:
        """All pages."""
        return tuple(self._records.values())

    def add(
        self, path: str, function: PageFunction, title: str | None, icon: str | None
    ) -> PageRecord:
        """Register a page.

        :raise PageError: Streamlit can't serve it, or something else answers its path.
        """
        path = self._check_path(path)
        if path in self._records:
            other = self._records[path].function
            raise PageError(
                f"page {path!r} of {_name(function)} is registered already, by {_name(other)}: "
                "give one of them another path"
            )
        record = PageRecord(
            path, title or _title(function), icon, function, _parameters(path, function)
        )
        self._records[path] = record
        return record

    def _check_path(self, path: str) -> str:
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


def _parameters(path: str, function: PageFunction) -> tuple[str, ...]:
    taken = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in INJECTED and parameter.kind is not parameter.POSITIONAL_ONLY:
            taken.append(name)
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise PageError(
                f"page {path!r} takes a parameter {name!r} that nobody fills: a page's "
                f"parameters are {' and '.join(INJECTED)}, others need a default"
            )
    return tuple(taken)


def _name(function: PageFunction) -> str:
    return f"{getattr(function, '__qualname__', repr(function))}()"


def _title(function: PageFunction) -> str:
    name = getattr(function, "__name__", "page").strip("_")
    return name.replace("_", " ").title() or "Page"
