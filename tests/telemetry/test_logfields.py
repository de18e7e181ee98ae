from __future__ import annotations

import ast
import functools
import json
import logging
import typing as t
from pathlib import Path

import pytest

import fluxsync
from fluxsync.telemetry.access import Exchange
from fluxsync.telemetry.formats import make_formatter
from fluxsync.telemetry.logfields import BASE_FIELDS, EXCEPTION_FIELDS, FIELDS

PACKAGE = Path(fluxsync.__file__).parent
TYPES = {"string", "integer", "number", "object"}


def calls(tree: ast.AST) -> t.Iterator[ast.expr]:
    """Yield what calls of a logger give as ``extra``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else ""
            if name in {"debug", "info", "warning", "error", "exception", "log", "makeRecord"}:
                yield from (word.value for word in node.keywords if word.arg == "extra")


def keys(tree: ast.AST, value: ast.expr, seen: tuple[str, ...] = ()) -> set[str]:
    """Return the names that an ``extra`` may have, in the module that has it.

    What isn't a dictionary's display is one that a function, or an assignment, has made.
    """
    if isinstance(value, ast.Dict):
        found: set[str] = set()
        for key, item in zip(value.keys, value.values, strict=True):
            if key is None:
                found |= keys(tree, item, seen)
            else:
                assert isinstance(key, ast.Constant), "the name of a field is known"
                found.add(str(key.value))
        return found
    is_call = isinstance(value, ast.Call)
    called = value.func if isinstance(value, ast.Call) else value
    name = called.attr if isinstance(called, ast.Attribute) else called.id  # type: ignore[attr-defined]
    found = set()
    if name in seen:
        return found
    seen = (*seen, name)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name and is_call:
            returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
            found |= set().union(*(keys(tree, r, seen) for r in returned if r is not None))
        elif isinstance(node, ast.Assign) and not is_call:
            targets = [target for target in node.targets if isinstance(target, ast.Name)]
            is_it = any(target.id == name for target in targets)
            found |= (
                keys(tree, node.value, seen)
                if is_it and isinstance(node.value, ast.Dict)
                else set()
            )
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                    for one, item in pairs:
                        if isinstance(one, ast.Name) and one.id == name:
                            found |= keys(tree, item, seen)
    return found


@functools.cache
def logged() -> dict[str, set[str]]:
    """Return the names of fields, and the modules that log them."""
    texts = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
    everything = [(path, ast.parse(text)) for path, text in texts.items() if "logger" in text]
    modules: dict[str, set[str]] = {}
    for path, tree in everything:
        for extra in calls(tree):
            found = keys(tree, extra)
            if not found:
                # Another module's method makes it.
                found = set().union(*(keys(other, extra) for _, other in everything))
            assert found, f"{path}: what is {ast.unparse(extra)}?"
            for name in found:
                modules.setdefault(name, set()).add(str(path.relative_to(PACKAGE)))
    return modules


def test_each_field_is_in_the_catalogue() -> None:
    unknown = {name: places for name, places in logged().items() if name not in FIELDS}

    assert not unknown


def test_each_field_of_the_catalogue_is_logged() -> None:
    assert set(FIELDS) <= set(logged())


def test_fields_of_an_access_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fluxsync.access")
    plain = vars(logging.LogRecord("", 0, "", 0, "", (), None))

    Exchange("GET", "/a", "", "1").log()

    added = set(vars(caplog.records[0])) - set(plain) - {"message", "taskName"}
    expected = {"method", "path", "status", "request_id", "client", "duration_seconds", "bytes"}
    assert expected <= added <= set(FIELDS)


def test_status_of_an_access_line(caplog: pytest.LogCaptureFixture) -> None:
    """Programs get it as a field, and people read it once."""
    caplog.set_level(logging.INFO, "fluxsync.access")
    Exchange("GET", "/a", "", "1", status=404).log()
    (record,) = caplog.records

    found = json.loads(make_formatter("json").format(record))
    assert (found["method"], found["path"], found["status"]) == ("GET", "/a", 404)
    text = make_formatter("text").format(record)
    assert "GET /a 404 " in text
    assert "status=" not in text


def test_the_catalogue_explains() -> None:
    for name, field in {**BASE_FIELDS, **FIELDS, **EXCEPTION_FIELDS}.items():
        assert name.isidentifier()
        assert field.type in TYPES
        assert field.meaning.endswith(".")
