"""Sets of compressed frontend files, as they lie in a cache directory.

A set has the files of one installation in one content coding. It's a directory that gets its
name when it's complete, so whoever finds one may use all of it:

.. code-block:: text

    <cache directory>/frontend/streamlit-1.67.0-4f1e0c55a1b2c3d4.br.5/
        manifest.json    by URL: name, size and entity tag
        0.br, 1.br, ...
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import time
import typing as t

from . import directories

if t.TYPE_CHECKING:
    from .frontend import Frontend

#: Below a cache directory.
FRONTEND = "frontend"
MANIFEST = "manifest.json"

#: Seconds between looks for sets that others have made since.
_PATIENCE = 1.0

_PLAIN_NAME = re.compile(r"[0-9]+\.[a-z]+")
_ETAG = re.compile(r'"[0-9a-f]+"')


class Encoded(t.NamedTuple):
    """One compressed file."""

    path: str
    size: int
    etag: str


Set: t.TypeAlias = "dict[str, Encoded]"


def set_name(frontend: Frontend, coding: str, level: int) -> str:
    """Return the name of a set's directory."""
    version = re.sub(r"[^\w.+-]", "_", frontend.version)
    return f"streamlit-{version}-{frontend.digest}.{coding}.{level}"


class Found(t.NamedTuple):
    """A set that is there."""

    level: int
    directory: pathlib.Path
    files: Set


def find(base: pathlib.Path, frontend: Frontend, coding: str) -> Found | None:
    """Return the best set for a coding in a cache directory, or ``None``."""
    if not directories.is_trusted(base):
        return None
    prefix = set_name(frontend, coding, 0)[:-1]
    levels = []
    with contextlib.suppress(OSError):
        for name in os.listdir(base / FRONTEND):
            level = name.removeprefix(prefix)
            if level != name and level.isdecimal():
                levels.append(int(level))
    for number in sorted(levels, reverse=True):
        directory = base / FRONTEND / f"{prefix}{number}"
        # One that is damaged, or is just being removed, isn't there.
        with contextlib.suppress(OSError, ValueError):
            if directories.is_trusted(directory):
                return Found(number, directory, read(directory))
    return None


def read(directory: pathlib.Path) -> Set:
    """Return the files of a set.

    :raise ValueError: It isn't one.
    :raise OSError: It can't be read.
    """
    manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    files: Set = {}
    try:
        for url, (name, size, etag) in manifest["files"].items():
            if not (_PLAIN_NAME.fullmatch(name) and _ETAG.fullmatch(etag)):
                raise ValueError(f"{directory}: {name!r} with the tag {etag!r}")
            path = os.path.join(directory, name)
            # A machine that loses its power has the name, but maybe not all of the content.
            if os.stat(path).st_size != size:
                raise ValueError(f"{path} is not complete")
            files[url] = Encoded(path, size, etag)
    except (AttributeError, KeyError, TypeError) as e:
        raise ValueError(f"{directory}: {e!r}") from e
    return files


class Shelf:
    """The sets that there are for one installation at the moment.

    :param bases: Cache directories, the best one first.
    """

    def __init__(self, bases: t.Sequence[pathlib.Path], frontend: Frontend) -> None:
        self._bases = bases
        self._frontend = frontend
        self._look_at = 0.0
        self._seen: tuple[int, ...] = ()

    def has_changed(self) -> bool:
        """Whether :meth:`sets` would return others than before. Cheap; asked per request."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _PATIENCE
        return tuple(map(_changed, self._bases)) != self._seen

    def sets(self, codings: t.Iterable[str]) -> dict[str, Set]:
        """Return the best set for each coding that has one, in the order of the codings."""
        self._seen = tuple(map(_changed, self._bases))
        found: dict[str, Set] = {}
        for coding in codings:
            each = (find(base, self._frontend, coding) for base in self._bases)
            best = next((one for one in each if one is not None), None)
            if best is not None:
                found[coding] = best.files
        return found


def _changed(base: pathlib.Path) -> int:
    try:
        return (base / FRONTEND).stat().st_mtime_ns
    except OSError:
        return 0
