"""Register pages that are modules of a package."""

from __future__ import annotations

import importlib
import pkgutil
import typing as t

from ..exceptions import PageError


def discover(app: t.Any, directory: str, package: str | None) -> None:
    """Import a package's modules, in the order of their names, and call their ``register(app)``.

    Modules whose name begins with an underscore, and packages, are left out.

    :param directory: The package, relative to *package*: ``"pages"``, or ``"web/pages"``.
    :param package: The package around it; none if it's at the top.
    :raise PageError: It's no package, or a module can't be imported.
    """
    name = ".".join([*filter(None, (package or "").split(".")), *_parts(directory)])
    found = _import(name, f"discover_pages({directory!r}, package={package!r})")
    paths = getattr(found, "__path__", None)
    if paths is None:
        raise PageError(f"{name} is a module: discover_pages() takes a package of pages")
    for info in sorted(pkgutil.iter_modules(paths), key=lambda info: info.name):
        if info.ispkg or info.name.startswith("_"):
            continue
        module = _import(f"{name}.{info.name}", f"page module {name}.{info.name}")
        register = getattr(module, "register", None)
        if register is not None:
            register(app)


def _parts(directory: str) -> list[str]:
    parts = directory.replace("\\", "/").strip("/").replace(".", "/").split("/")
    if not all(part.isidentifier() for part in parts):
        raise PageError(f"discover_pages({directory!r}): expected a package's name such as 'pages'")
    return parts


def _import(name: str, what: str) -> t.Any:
    try:
        return importlib.import_module(name)
    except ImportError as e:
        raise PageError(f"{what} can't be imported: {e}") from e
