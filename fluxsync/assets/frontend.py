"""The frontend files of the installed Streamlit.

Their names have a hash of their content (``js/index.C1JORDN2.js``), so that browsers may keep
them for ever. They're listed once; a request's path is looked up and never opened.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import typing as t

#: Content types as Streamlit sends them (1.67). Files of other kinds are left to Streamlit,
#: and so are documents: which one a path gets is more than a look-up.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".js": "application/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
#: Those that compression makes smaller.
COMPRESSIBLE = frozenset((".css", ".js", ".json", ".svg"))

#: Where Streamlit publishes them.
PREFIX = "/static/"


class File(t.NamedTuple):
    """One frontend file."""

    path: str
    size: int
    #: Time of the last change, in nanoseconds.
    changed: int
    type: str
    is_compressible: bool


@dataclasses.dataclass(frozen=True)
class Package:
    """Where Streamlit is installed."""

    directory: str
    version: str


class Frontend:
    """All files of one installation, by the path in their URL.

    :param package: Where they lie.
    :param files: They.
    """

    def __init__(self, package: Package, files: t.Mapping[str, File]) -> None:
        self.version = package.version
        self.files = files
        lines = [f"{url} {file.size}" for url, file in sorted(files.items())]
        #: What tells it from others, the same on all machines.
        self.digest = hashlib.sha256("\n".join([self.version, *lines]).encode()).hexdigest()[:16]

    def etag(self, url: str) -> str:
        """Return the entity tag of a file as it is, the same on all machines."""
        text = f"{self.version} {url} {self.files[url].size}"
        return f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def find_package() -> Package | None:
    """Return where Streamlit is installed; ``None`` if it isn't. It's not imported."""
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec("streamlit")
        version = importlib.metadata.version("streamlit")
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Package(next(iter(spec.submodule_search_locations)), version)


def scan(package: Package) -> Frontend:
    """List the frontend files of an installation.

    :raise OSError: They can't be read, or are just being replaced.
    """
    top = os.path.join(package.directory, "static", "static")
    files = {}
    for directory, _, names in os.walk(top, onerror=_fail):
        relative = pathlib.PurePath(directory).relative_to(top)
        for name in names:
            suffix = os.path.splitext(name)[1]
            if suffix not in TYPES or not name.isascii():
                continue
            path = os.path.join(directory, name)
            found = os.stat(path)
            files[PREFIX + (relative / name).as_posix()] = File(
                path, found.st_size, found.st_mtime_ns, TYPES[suffix], suffix in COMPRESSIBLE
            )
    return Frontend(package, files)


def _fail(error: OSError) -> t.NoReturn:
    raise error
