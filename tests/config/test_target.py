from __future__ import annotations

import sys
import types
import typing as t
from pathlib import Path

import pytest

from fluxsync.config.target import find_target, import_target
from fluxsync.exceptions import PageError, TargetError

SOURCE = """
import types
app = object()
inner = types.SimpleNamespace(app=app)
def make():
    return app
"""


@pytest.fixture(autouse=True)
def imports(project: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """Forget what a test imports, and from where."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("file", "target", "module"),
    [
        pytest.param("target_a.py", "target_a:app", "target_a", id="module"),
        pytest.param("target_b/c.py", "target_b.c:app", "target_b.c", id="in a package"),
        pytest.param("target_d.py", "target_d.py:app", "target_d", id="file"),
        pytest.param("x/target_e.py", "x/target_e.py:app", "target_e", id="file elsewhere"),
        pytest.param("target_f.py", "target_f:make()", "target_f", id="factory"),
        pytest.param("target_g.py", "target_g:inner.app", "target_g", id="deeper attribute"),
    ],
)
def test_import_target(project: Path, file: str, target: str, module: str) -> None:
    path = project / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(SOURCE)

    assert import_target(target) is sys.modules[module].app


def test_file_with_the_name_of_another_module(project: Path) -> None:
    (project / "queue.py").write_text(SOURCE)

    with pytest.raises(TargetError, match="hidden by the module 'queue'"):
        import_target("queue.py:app")


def test_file_is_imported_once(project: Path) -> None:
    (project / "target_i.py").write_text(SOURCE)

    assert import_target("target_i.py:app") is import_target("target_i:app")
    assert sys.path.count(str(project)) == 1


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        pytest.param("app", "'app' is not module:attribute", id="no attribute"),
        pytest.param(":app", "':app' is not module:attribute", id="no module"),
        pytest.param("target_j:", "is not module:attribute", id="nothing behind the colon"),
        pytest.param("target_j:x", "target_j has no attribute 'x'", id="wrong attribute"),
        pytest.param("target_k:app", "there is no module 'target_k' in ", id="no such module"),
        pytest.param("target_j.x:app", r"there is no module 'target_j\.x' in ", id="no package"),
        pytest.param("./target_k.py:app", r"there is no file '\./target_k\.py'", id="no file"),
    ],
)
def test_target_that_is_not_there(project: Path, target: str, complaint: str) -> None:
    (project / "target_j.py").write_text(SOURCE)

    with pytest.raises(TargetError, match=complaint):
        import_target(target)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        pytest.param("import no_such_module", ModuleNotFoundError, id="missing dependency"),
        pytest.param("1 / 0", ZeroDivisionError, id="bug"),
        pytest.param(
            "from fluxsync import PageError; raise PageError('x')", PageError, id="our own"
        ),
    ],
)
def test_what_a_module_raises_is_not_hidden(
    project: Path, source: str, error: type[Exception]
) -> None:
    (project / "target_l.py").write_text(source)

    with pytest.raises(error):
        import_target("target_l:app")


def test_find_target_undoes_import_target(project: Path) -> None:
    (project / "target_m.py").write_text(SOURCE)

    assert find_target(import_target("target_m:app")) == "target_m:app"


def test_find_target_in_a_script(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = object()
    script = types.ModuleType("__main__")
    script.__dict__.update(__file__="script.py", app=app)
    monkeypatch.setitem(sys.modules, "__main__", script)

    assert find_target(app) == f"{project / 'script.py'}:app"


def test_find_target_of_an_object_without_a_name() -> None:
    with pytest.raises(TargetError, match="pass import_target='module:attribute'"):
        find_target(object())
