"""Load the object that an import target names."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pathlib
import sys
import typing as t

from ..exceptions import FluxSyncError, TargetError


def import_target(target: str) -> t.Any:
    """Return the object behind ``module:attribute`` or ``path.py:attribute``.

    The working directory is importable, as with ``python -m``. An attribute that ends with
    ``()`` is called.

    :raise TargetError: The module or the attribute isn't there.
    :raise Exception: Whatever the module raises while it's imported, except that a missing
        module of the target's own name is a :exc:`TargetError`.
    """
    module_name, _, attribute = target.rpartition(":")
    if not module_name or not attribute:
        raise TargetError(f"{target!r} is not module:attribute")
    module = _import(module_name, target)
    value: t.Any = module
    factory = attribute.endswith("()")
    for name in attribute.removesuffix("()").split("."):
        if not hasattr(value, name):
            raise TargetError(
                f"{module_name} has no attribute {name!r}: name the application as "
                f"{module_name}:<attribute>"
            )
        value = getattr(value, name)
    return value() if factory else value


def _import(name: str, target: str) -> t.Any:
    directory = os.getcwd()
    path = pathlib.Path(name).resolve() if name.endswith(".py") or "/" in name else None
    if path is not None:
        if not path.is_file():
            raise TargetError(f"there is no file {name!r} to load {target!r} from")
        directory, name = str(path.parent), path.stem
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        module = importlib.import_module(name)
    except FluxSyncError:
        raise
    except ModuleNotFoundError as e:
        if e.name and (name == e.name or name.startswith(f"{e.name}.")):
            raise TargetError(
                f"there is no module {e.name!r} in {directory} to load {target!r} from"
            ) from e
        raise
    other = getattr(module, "__file__", None)
    if path is not None and (other is None or pathlib.Path(other).resolve() != path):
        raise TargetError(
            f"{target!r} is hidden by the module {name!r} of {other or 'Python'}: give the file "
            "another name"
        )
    return module


def find_target(value: object) -> str:
    """Return the target under which an object can be imported.

    For objects that a server imported by itself: ``gunicorn app:app``, a ``wsgi.py``.

    :raise TargetError: No module has it as an attribute.
    """
    for name, module in list(sys.modules.items()):
        for attribute, candidate in list(getattr(module, "__dict__", {}).items()):
            if candidate is value:
                if name == "__main__":
                    name = os.path.abspath(getattr(module, "__file__", None) or "")
                return f"{name}:{attribute}"
    raise TargetError(
        "no module has this application as an attribute: pass import_target='module:attribute'"
    )
