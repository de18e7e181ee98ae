"""Write a new project from the templates: all of it, or nothing."""

from __future__ import annotations

import re
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from string import Template

from fluxsync.exceptions import ScaffoldError

# Where each template goes. Their folder is flat, and none begins with a dot, because
# package data is found by a pattern that doesn't see hidden files.
_COMMON = {
    "app.py": "app.py.tmpl",
    "fluxsync.toml": "fluxsync.toml.tmpl",
    "requirements.txt": "requirements.txt.tmpl",
    ".gitignore": "gitignore.tmpl",
    "pytest.ini": "pytest.ini.tmpl",
    "tests/test_app.py": "test_app.py.tmpl",
}

#: Files of a project for each kind of host. The first one is for those who haven't chosen yet.
PROFILES = {
    "minimal": {**_COMMON, "README.md": "README.md.tmpl", "Procfile": "Procfile.tmpl"},
    "posit": {
        **_COMMON,
        "README.md": "README-posit.md.tmpl",
        ".python-version": "python-version-posit.tmpl",
    },
}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def create_project(directory: Path, name: str, profile: str = "minimal") -> list[Path]:
    """Create a project and return its files.

    Whatever was written is removed again when the rest can't be.

    :param directory: Where the project goes. Its parent exists; it doesn't itself, or it's empty.
    :param name: What the project is called: in its README, and as a title on its page.
    :param profile: One of :data:`PROFILES`.
    :raise ScaffoldError: The project can't be created; the message says what to change.
    """
    if not _NAME.fullmatch(name):
        raise ScaffoldError(
            f"{name!r} can't be the name of a project: use letters, digits, '-' and '_', and"
            " begin with a letter"
        )
    contents = {target: render(template, name) for target, template in PROFILES[profile].items()}
    try:
        return _write(directory, contents)
    except OSError as e:
        raise ScaffoldError(_explain(directory, e)) from e


def render(template: str, name: str) -> str:
    """Return a template's text for a project of this name."""
    source = resources.files(__package__) / "templates" / template
    title = name.replace("-", " ").replace("_", " ").strip().capitalize()
    return Template(source.read_text(encoding="utf-8")).substitute(name=name, title=title)


def _write(directory: Path, contents: dict[str, str]) -> list[Path]:
    if directory.is_dir() and any(directory.iterdir()):
        raise ScaffoldError(f"{directory} isn't empty: choose another name or empty it first")
    written = []
    with ExitStack() as undo:
        _make(directory, undo)
        for target, content in contents.items():
            path = directory / target
            _make(path.parent, undo)
            # "x": what somebody else puts here meanwhile isn't ours to overwrite.
            with path.open("x", encoding="utf-8") as file:
                undo.callback(path.unlink)
                file.write(content)
            written.append(path)
        undo.pop_all()
    return written


def _make(directory: Path, undo: ExitStack) -> None:
    if not directory.is_dir():
        directory.mkdir()
        undo.callback(directory.rmdir)


def _explain(directory: Path, error: OSError) -> str:
    """Say in one line what stands in the way, and what to do about it."""
    if isinstance(error, FileNotFoundError):
        return f"{directory.parent} doesn't exist: create it first"
    if isinstance(error, FileExistsError):
        return f"{error.filename} exists already: choose another name"
    if isinstance(error, PermissionError):
        return f"{error.filename} can't be written: choose a directory where you may write"
    return (
        f"{error.filename or directory} can't be written: {(error.strerror or str(error)).lower()}"
    )
