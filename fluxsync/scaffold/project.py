"""Write a new project from the templates: all of it, or nothing."""

from __future__ import annotations

import re
from pathlib import Path

from ..exceptions import ScaffoldError
from .files import render, version_range, write_all

# Where each template goes. Their folder is flat, and none begins with a dot, because
# package data is found by a pattern that doesn't see hidden files.
_COMMON = {
    "app.py": "app.py.tmpl",
    "fluxsync.toml": "fluxsync.toml.tmpl",
    "requirements.txt": "requirements.txt.tmpl",
    "requirements-dev.txt": "requirements-dev.txt.tmpl",
    ".gitignore": "gitignore.tmpl",
    ".github/workflows/test.yml": "workflow.yml.tmpl",
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
    title = name.replace("-", " ").replace("_", " ").strip().capitalize()
    values = {"name": name, "title": title, "range": version_range()}
    contents = {target: render(source, **values) for target, source in PROFILES[profile].items()}
    if _has_files(directory):
        raise ScaffoldError(f"{directory} isn't empty: choose another name or empty it first")
    return write_all(directory, contents, taken="choose another name")


def _has_files(directory: Path) -> bool:
    try:
        return directory.is_dir() and any(directory.iterdir())
    except PermissionError as e:
        raise ScaffoldError(f"{directory} can't be read: choose another name") from e
