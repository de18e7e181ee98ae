"""Templates, and writing what is made of them: all of it, or nothing."""

from __future__ import annotations

import os
import tempfile
import typing as t
from contextlib import ExitStack, suppress
from importlib import resources
from pathlib import Path
from string import Template

import fluxsync

from ..exceptions import ScaffoldError


def render(template: str, **values: str) -> str:
    """Return a template's text with these values."""
    source = resources.files(__package__) / "templates" / template
    return Template(source.read_text(encoding="utf-8")).substitute(values)


def version_range(version: str = fluxsync.__version__) -> str:
    """Return the versions that may replace this one: until 1.0, minor releases may break."""
    public = version.partition("+")[0]
    major, minor = (int(part) for part in public.split(".")[:2])
    return f">={public},<{major + 1}" if major else f">={public},<0.{minor + 1}"


def write_all(
    directory: Path, contents: t.Mapping[str, str], *, overwrite: bool = False, taken: str
) -> list[Path]:
    """Write files and return their paths. If one can't be written, all is as before.

    :param directory: Where they go. Its parent exists; it need not.
    :param contents: The files' texts by their paths below it.
    :param overwrite: Whether files that exist are replaced.
    :param taken: What to do about a file that exists, for people.
    :raise ScaffoldError: A file can't be written; the message says what to change.
    """
    written = []
    try:
        with ExitStack() as undo:
            _make(directory, undo)
            for name, content in contents.items():
                path = directory / name
                for parent in reversed(path.relative_to(directory).parents[:-1]):
                    _make(directory / parent, undo)
                if overwrite and path.is_file():
                    _replace(path, content.encode(), undo)
                else:
                    _create(path, content.encode(), undo)
                written.append(path)
            undo.pop_all()
    except OSError as e:
        raise ScaffoldError(_explain(directory, e, taken)) from e
    return written


def _create(path: Path, content: bytes, undo: ExitStack) -> None:
    if path.is_dir():
        raise ScaffoldError(f"{path} is a directory: remove it first")
    # "x": what somebody else puts here meanwhile isn't ours to overwrite.
    with open(path, "xb", opener=_private if path.name == ".env" else None) as file:
        undo.callback(path.unlink)
        file.write(content)


def _private(path: str, flags: int) -> int:
    """Open a file for its owner only, as it has secrets."""
    return os.open(path, flags, 0o600)


def _replace(path: Path, content: bytes, undo: ExitStack) -> None:
    before = path.read_bytes()
    _exchange(path, content)
    undo.callback(_exchange, path, before)


def _exchange(path: Path, content: bytes) -> None:
    """Change a file at once, as a full disk would leave half of it."""
    mode = path.stat().st_mode & 0o777
    with ExitStack() as undo:
        number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        undo.callback(os.unlink, temporary)
        with open(number, "wb") as file:
            file.write(content)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
        undo.pop_all()


def _make(directory: Path, undo: ExitStack) -> None:
    if not directory.is_dir():
        directory.mkdir()
        undo.callback(_remove, directory)


def _remove(directory: Path) -> None:
    # What somebody else has put there meanwhile stays.
    with suppress(OSError):
        directory.rmdir()


def _explain(directory: Path, error: OSError, taken: str) -> str:
    """Say in one line what stands in the way, and what to do about it."""
    if isinstance(error, FileNotFoundError):
        return f"{directory.parent} doesn't exist: create it first"
    if isinstance(error, FileExistsError):
        return f"{error.filename} exists already: {taken}"
    if isinstance(error, PermissionError):
        return f"{error.filename} can't be written: choose a directory where you may write"
    return (
        f"{error.filename or directory} can't be written: {(error.strerror or str(error)).lower()}"
    )
