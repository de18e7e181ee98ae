"""The order and the sections in which the navigation shows pages. No I/O."""

from __future__ import annotations

import dataclasses
import typing as t

from ..exceptions import PageError

if t.TYPE_CHECKING:
    from .registry import PageRecord


@dataclasses.dataclass(frozen=True)
class NavigationModel:
    """Which pages come first in the navigation.

    :param order: Paths, with or without their slash. Pages that aren't named follow, by
        ``PageMeta.order``, then as they were registered.
    """

    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        order: t.Any = self.order
        if isinstance(order, str) or not all(isinstance(path, str) for path in order):
            raise PageError(f"NavigationModel order={self.order!r}: expected a list of paths")
        object.__setattr__(self, "order", tuple(order))


class Entry(t.NamedTuple):
    """A page in the navigation."""

    record: PageRecord
    title: str
    icon: str | None


class Section(t.NamedTuple):
    """Pages under one heading; without one, they come first."""

    heading: str
    entries: tuple[Entry, ...]


def arrange(records: t.Sequence[PageRecord], navigation: NavigationModel) -> list[Section]:
    """Return the navigation: single pages, then each page that has children with those.

    :raise PageError: What is said of the pages doesn't go together.
    """
    if faults := check(records, navigation):
        raise PageError(faults[0])
    named = [find(records, path) for path in navigation.order]
    place = {record: i for i, record in enumerate(named) if record is not None}
    last = len(place)

    def key(record: PageRecord) -> tuple[int, bool, int, int]:
        order = record.meta.order
        return place.get(record, last), order is None, order or 0, records.index(record)

    ordered = sorted(records, key=key)
    children = {child for record in records for child, _ in _children(records, record)}
    singles: list[Entry] = []
    sections: dict[str, list[Entry]] = {}
    for record in ordered:
        if record in children:
            continue
        entries = list(_descend(records, Entry(record, record.title, _icon(record))))
        if len(entries) == 1:
            singles += entries
        else:
            sections.setdefault(record.title, []).extend(entries)
    found = [Section("", tuple(singles))] if singles else []
    return found + [Section(heading, tuple(entries)) for heading, entries in sections.items()]


def check(records: t.Sequence[PageRecord], navigation: NavigationModel) -> list[str]:
    """Return what is wrong with what's said of the pages' order and children."""
    faults = [
        f"NavigationModel order has {path!r}, which is no page: use one of {paths(records)}"
        for path in navigation.order
        if find(records, path) is None
    ]
    parents: dict[PageRecord, PageRecord] = {}
    for record in records:
        for child in record.meta.children:
            found = find(records, child.path)
            if found is None:
                faults.append(
                    f"page {record.path!r} has the child {child.path!r}, which is no page: use "
                    f"one of {paths(records)}"
                )
            elif found in parents:
                faults.append(
                    f"page {found.path!r} is a child of {parents[found].path!r} and "
                    f"{record.path!r}: choose one"
                )
            else:
                parents[found] = record
    for record in records:
        above, seen = parents.get(record), {record}
        while above is not None and above not in seen:
            seen.add(above)
            above = parents.get(above)
        if above is record:
            faults.append(f"page {record.path!r} is below itself: remove it from the children")
    return faults


def default_page(sections: t.Sequence[Section]) -> PageRecord:
    """Return the page that the root shows: the one of its path, or else the first."""
    records = [entry.record for section in sections for entry in section.entries]
    return next((record for record in records if record.path == "/"), records[0])


def _children(
    records: t.Sequence[PageRecord], record: PageRecord
) -> t.Iterator[tuple[PageRecord, Entry]]:
    for child in record.meta.children:
        found = find(records, child.path)
        if found is not None:
            yield found, Entry(found, child.title or found.title, child.icon or _icon(found))


def _descend(records: t.Sequence[PageRecord], entry: Entry) -> t.Iterator[Entry]:
    yield entry
    for _, child in _children(records, entry.record):
        yield from _descend(records, child)


def find(records: t.Sequence[PageRecord], path: str) -> PageRecord | None:
    """Return the page of a path, which may lack its slash."""
    wanted = "/" + path.strip("/")
    found = {record.path: record for record in records}
    # FluxLit calls the page of the root so.
    return found.get(wanted) or (found.get("/") if wanted == "/home" else None)


def _icon(record: PageRecord) -> str | None:
    return record.icon or record.meta.page_icon


def paths(records: t.Sequence[PageRecord]) -> str:
    """Return the paths of all pages, for messages."""
    return ", ".join(record.path for record in records) or "none, as there are no pages"
