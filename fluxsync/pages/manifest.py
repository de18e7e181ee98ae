"""Describe the pages of an application for other programs, the same in each run."""

from __future__ import annotations

import typing as t

from .annotations import qualified_name, type_name
from .ordering import check

if t.TYPE_CHECKING:
    from .application import PageApplication
    from .plans import Plan
    from .registry import PageRecord

#: Keys of the manifest, version 1.
MANIFEST_V1_ROOT_KEYS = ("manifest_version", "manifest_stability", "title", "pages")
#: Keys that a page in it may have.
MANIFEST_V1_PAGE_ALLOWED_KEYS = (
    *("path", "title", "tags", "description", "icon", "parameters", "dependencies", "children"),
)


def build_page_manifest(app: PageApplication, *, version: int = 1) -> dict[str, t.Any]:
    """Return the manifest of an application's pages, which can be written as JSON.

    It names types and functions as the program does, and nothing of this process.

    :raise ValueError: There's no such version.
    """
    if version != 1:
        raise ValueError(f"version={version!r}: expected 1")
    return {
        "manifest_version": 1,
        "manifest_stability": "stable",
        "title": app.settings.title,
        "pages": [_page(record) for record in app.page_records],
    }


def validate_fluxsync_pages(app: PageApplication, *, strict: bool = False) -> list[str]:
    """Return what is wrong with an application's pages, a line each.

    What concerns one page only is refused when it's registered; this is what concerns several.

    :param strict: Whether each parameter of a page must get something from somewhere.
    """
    faults = check(app.page_records, app.navigation_model)
    if strict:
        faults += [
            f"page {record.path!r} takes {parameter.name!r}, which nobody fills: remove it"
            for record in app.page_records
            for parameter in record.plan.parameters
            if parameter.name not in record.plan.sources
        ]
    return faults


def _page(record: PageRecord) -> dict[str, t.Any]:
    page: dict[str, t.Any] = {
        "path": record.path,
        "title": record.title,
        "tags": list(record.tags),
        "description": record.description,
        "icon": record.icon or record.meta.page_icon,
        "parameters": [
            {"name": parameter.name, "annotation": type_name(parameter.annotation)}
            for parameter in record.plan.parameters
        ],
        "dependencies": _dependencies(record.plan),
    }
    if record.meta.children:
        page["children"] = [child.model_dump(exclude_none=True) for child in record.meta.children]
    return page


def _dependencies(plan: Plan) -> list[str]:
    return list(dict.fromkeys(qualified_name(function) for function in plan.dependencies()))
