from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pydantic
import pytest

from fluxsync import Depends, FluxSync, Header, NavigationModel, PageMeta, Query
from fluxsync.pages import build_page_manifest, validate_fluxsync_pages
from fluxsync.pages.manifest import MANIFEST_V1_PAGE_ALLOWED_KEYS, MANIFEST_V1_ROOT_KEYS


class Filters(pydantic.BaseModel):
    year: int = 2025


class Database: ...


def connect() -> Database:
    return Database()


def current_user(
    database: t.Annotated[Database, Depends(connect)], user: str | None = Header("X-User")
) -> str:
    return str(user)


def sales(  # type: ignore[no-untyped-def] # one parameter isn't, as many aren't
    st: t.Any,
    database: t.Annotated[Database, Depends(connect)],
    user: t.Annotated[str, Depends(current_user)],
    filters: t.Annotated[Filters, Query()],
    tags: list[str] | None = Query(None, description="Only these"),
    untyped=None,
) -> None:
    """Show sales.

    By region.
    """


def application() -> FluxSync:
    app = FluxSync(title="Shop")
    meta = PageMeta(page_icon="📈", children=["/month", {"path": "/", "title": "Start"}])
    app.page("/sales", tags=["money"], page_meta=meta)(sales)
    app.page("/")(lambda: None)
    app.page("/month")(lambda: None)
    return app


def test_manifest() -> None:
    manifest = application().build_page_manifest()

    assert manifest["pages"][0] == {
        "path": "/sales",
        "title": "Sales",
        "tags": ["money"],
        "description": "Show sales.",
        "icon": "📈",
        "parameters": [
            {"name": "st", "annotation": "Any"},
            {"name": "database", "annotation": f"{__name__}.Database"},
            {"name": "user", "annotation": "str"},
            {"name": "filters", "annotation": f"{__name__}.Filters"},
            {"name": "tags", "annotation": "list[str] | None"},
            {"name": "untyped", "annotation": ""},
        ],
        "dependencies": [f"{__name__}.connect", f"{__name__}.current_user"],
        "children": [{"path": "/month"}, {"path": "/", "title": "Start"}],
    }
    assert set(manifest) == set(MANIFEST_V1_ROOT_KEYS)
    for page in manifest["pages"]:
        assert set(page) <= set(MANIFEST_V1_PAGE_ALLOWED_KEYS)


def test_other_processes_write_the_same() -> None:
    """Nothing in it depends on addresses or on the order of sets."""
    code = f"import json, {__name__} as m; print(json.dumps(m.application().build_page_manifest()))"

    other = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=True,
        text=True,
    ).stdout

    assert other == json.dumps(build_page_manifest(application())) + "\n"


def test_other_version() -> None:
    with pytest.raises(ValueError, match="version=2: expected 1"):
        application().build_page_manifest(version=2)


def test_validate() -> None:
    app = application()

    assert validate_fluxsync_pages(app) == []
    assert validate_fluxsync_pages(app, strict=True) == [
        "page '/sales' takes 'untyped', which nobody fills: remove it"
    ]
    app.navigation(NavigationModel(("/nowhere",)))
    assert validate_fluxsync_pages(app) == [
        "NavigationModel order has '/nowhere', which is no page: use one of /sales, /, /month"
    ]
