from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

from fluxsync import FluxSync, PageError

REGISTER = """
def register(app):
    @app.page("/{0}")
    def page(st): ...
"""


class MakePackage(t.Protocol):
    def __call__(self, **modules: str) -> None: ...


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[MakePackage]:
    """Make ``shop.pages`` with some modules."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def make(**modules: str) -> None:
        pages = tmp_path / "shop" / "pages"
        pages.mkdir(parents=True)
        for name in ("../__init__", "__init__"):
            (pages / f"{name}.py").touch()
        for name, text in modules.items():
            (pages / f"{name}.py").write_text(text)

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def paths(app: FluxSync) -> list[str]:
    return [path for path, _, _ in app.pages]


def test_order_is_kept(package: MakePackage) -> None:
    """Pages that are there already stay where they are, modules follow by their names."""
    package(
        zoo=REGISTER.format("zoo"),
        about=REGISTER.format("x"),
        _draft=REGISTER.format("draft"),
        models="",
    )
    app = FluxSync()
    app.page("/z")(lambda: None)

    assert app.discover_pages("pages", package="shop") is app
    assert paths(app) == ["/z", "/x", "/zoo"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("raise ValueError('x')", id="fails"),
        pytest.param("import shop.nothing", id="imports what isn't there"),
        pytest.param(REGISTER.format("about"), id="path is taken"),
    ],
)
def test_all_or_nothing(package: MakePackage, broken: str) -> None:
    package(about=REGISTER.format("about"), broken=broken)
    app = FluxSync()
    app.page("/z")(lambda: None)

    with pytest.raises((PageError, ValueError)):
        app.discover_pages("pages", package="shop")

    assert paths(app) == ["/z"]


@pytest.mark.parametrize(
    ("directory", "package_name", "complaint"),
    [
        pytest.param("views", "shop", "No module named 'shop.views'", id="missing"),
        pytest.param("pages/about", "shop", "shop.pages.about is a module", id="module"),
        pytest.param("../pages", "shop", "expected a package's name", id="path"),
        pytest.param("", None, "expected a package's name", id="empty"),
    ],
)
def test_no_package(
    package: MakePackage, directory: str, package_name: str | None, complaint: str
) -> None:
    package(about="")

    with pytest.raises(PageError, match=complaint):
        FluxSync().discover_pages(directory, package=package_name)


def test_missing_import_names_the_module(package: MakePackage) -> None:
    package(about="import nowhere_to_be_found")

    with pytest.raises(PageError, match=r"page module shop.pages.about can't be imported: No mod"):
        FluxSync().discover_pages("shop.pages")
