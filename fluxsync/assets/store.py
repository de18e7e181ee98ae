"""Answers of Streamlit servers that somebody else runs, kept on disk.

One file for each upstream, path and content coding, complete or not there at all:

.. code-block:: text

    <cache directory>/upstream/0e4b...c1.identity
        2048 bytes    what is known about it, as JSON, filled up with spaces
        ...           the content
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import threading
import time
import typing as t

from . import directories
from .writer import HEAD_SIZE, TEMPORARY, Entry, Writer

if t.TYPE_CHECKING:
    import pathlib

logger = logging.getLogger("fluxsync.assets")

#: Below a cache directory.
UPSTREAM = "upstream"
#: Larger answers aren't kept. Streamlit's largest file has 5 MB (1.67).
MAX_LENGTH = 32 * 1024 * 1024
#: When all of them have more bytes than that, those that were kept first go.
MAX_TOTAL = 256 * 1024 * 1024
#: So many are kept between two looks at what other processes keep.
_RECOUNT = 64

#: A file that nobody has finished within so many seconds.
_ABANDONED = 3600.0


class Kept(t.NamedTuple):
    """An answer on disk."""

    path: str
    #: When the file was changed last, in nanoseconds.
    changed: int
    entry: Entry


def read(path: str, upstream: str, url: str, coding: str) -> Kept | None:
    """Return what a file says about itself; ``None`` if it isn't what it should be, or too old."""
    try:
        with open(path, "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            entry = Entry(**json.loads(file.read(HEAD_SIZE)))
        is_whole = entry.length + HEAD_SIZE == found.st_size
        is_it = (entry.upstream, entry.path, entry.coding) == (upstream, url, coding)
        is_fresh = entry.stored <= time.time() < entry.expires
    except (OSError, ValueError, TypeError):
        return None
    return Kept(path, found.st_mtime_ns, entry) if is_whole and is_it and is_fresh else None


class Store:
    """Kept answers of all upstreams. Thread-safe, and shared with other processes.

    :param bases: Cache directories, the best one first.
    """

    def __init__(self, bases: t.Sequence[pathlib.Path], max_total: int = MAX_TOTAL) -> None:
        self._bases = bases
        self._max_total = max_total
        self._lock = threading.Lock()
        self._directory: pathlib.Path | None = None
        self._is_open = False
        self._total = 0
        self._uncounted = _RECOUNT
        #: What is being written by this process at the moment.
        self._busy: set[str] = set()

    def get(self, upstream: str, path: str, coding: str) -> Kept | None:
        """Return a kept answer, if there is one that isn't too old."""
        name = self._path(upstream, path, coding)
        return read(name, upstream, path, coding) if name is not None else None

    def writer(self, entry: Entry, length: int) -> Writer | None:
        """Return what keeps an answer; ``None`` if it can't be, or is being kept right now.

        :param entry: What is known about it before its content comes.
        :param length: Bytes that the content will have.
        """
        path = self._path(entry.upstream, entry.path, entry.coding)
        with self._lock:
            if path is None or path in self._busy:
                return None
            self._busy.add(path)
        try:
            return Writer(path, entry, length, self._release)
        except OSError as e:
            self._release(path, 0)
            logger.debug("answer is not kept", extra={"error": str(e)})
            return None

    def _path(self, upstream: str, path: str, coding: str) -> str | None:
        """Return where an answer would be; ``None`` if nothing can be kept."""
        directory = self._directory if self._is_open else self._open()
        if directory is None:
            return None
        key = hashlib.sha256(f"{upstream}\0{path}".encode()).hexdigest()[:40]
        return os.path.join(directory, f"{key}.{coding}")

    def _release(self, path: str, written: int) -> None:
        """Note that a writer has ended."""
        with self._lock:
            self._busy.discard(path)
            self._total += written
            self._uncounted += 1 if written else 0
            if written and (self._total > self._max_total or self._uncounted > _RECOUNT):
                self._uncounted = 0
                with contextlib.suppress(OSError):
                    self._total = self._make_room()

    def _open(self) -> pathlib.Path | None:
        with self._lock:
            if self._is_open:
                return self._directory
            problem: OSError | None = None
            for base in self._bases:
                try:
                    directories.make(base)
                    directories.make(base / UPSTREAM)
                    if os.access(base / UPSTREAM, os.W_OK):
                        self._directory = base / UPSTREAM
                        break
                except OSError as e:
                    problem = problem or e
            self._is_open = True
        # Not with the lock, which isn't gevent's where the application is loaded before a fork.
        if self._directory is None:
            logger.warning("frontend files of the upstream are not kept: %s", problem)
        return self._directory

    def _make_room(self) -> int:
        """Remove what was kept first until a quarter is free; return the bytes that are left."""
        assert self._directory is not None
        now = time.time()
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if entry.name.startswith(TEMPORARY):
                        if now - status.st_mtime > _ABANDONED:
                            os.unlink(entry)
                        continue
                    found.append((status.st_mtime, status.st_size, entry.path))
        total = sum(size for _, size, _ in found)
        if total > self._max_total:
            for _, size, path in sorted(found):
                if total <= self._max_total * 3 // 4:
                    break
                with contextlib.suppress(OSError):
                    os.unlink(path)
                total -= size
        return total
