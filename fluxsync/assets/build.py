"""Make sets of compressed frontend files, once per installation and coding.

Several processes of several applications may try at once, be killed in the middle, or find the
disk full: a set appears as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
import typing as t

from . import directories, sets

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .encoders import Encoder
    from .frontend import Frontend

_TEMPORARY = ".new-"
_LOCK = ".lock"

#: Files that get no smaller than that stay as they are.
_WORTHWHILE = 0.9
#: A set that nobody has looked for within so many seconds belongs to a Streamlit that is gone.
_FORGOTTEN = 30 * 24 * 3600.0


class Built(t.NamedTuple):
    """A set, made now or found."""

    coding: str
    directory: pathlib.Path
    is_new: bool
    files: int
    #: Bytes of these files before and after.
    before: int
    after: int

    def __str__(self) -> str:
        before, after = self.before / 1e6, self.after / 1e6
        what = f"{self.coding}: {self.files} files, {before:.1f} MB, are {after:.1f} MB"
        return f"{what} in {self.directory}"


def build(
    frontend: Frontend,
    bases: t.Sequence[pathlib.Path],
    encoders: t.Iterable[Encoder],
    advance: t.Callable[[int], object] = int,
) -> Iterator[Built]:
    """Make the sets that are missing, in the first directory that takes them.

    :param advance: Called with the size of each file that has been looked at.
    :raise OSError: None of the directories takes them.
    """
    for encoder in encoders:
        found = (_find(frontend, base, encoder) for base in bases)
        yield next((one for one in found if one), None) or _build(frontend, bases, encoder, advance)


def _find(frontend: Frontend, base: pathlib.Path, encoder: Encoder) -> Built | None:
    """Return a set that is there already, and at least as small."""
    one = sets.find(base, frontend, encoder.coding)
    if one is None or one.level < encoder.level:
        return None
    with contextlib.suppress(OSError):
        os.utime(one.directory)  # somebody still wants it
    return _describe(frontend, encoder.coding, one.directory, one.files)


def _build(
    frontend: Frontend,
    bases: t.Sequence[pathlib.Path],
    encoder: Encoder,
    advance: t.Callable[[int], object],
) -> Built:
    """Make a set in the first directory that takes it."""
    problem = None
    for base in bases:
        try:
            return _build_in(base, frontend, encoder, advance)
        except OSError as e:
            problem = problem or e
    raise problem or FileNotFoundError("there's no directory for them")


def _build_in(
    base: pathlib.Path,
    frontend: Frontend,
    encoder: Encoder,
    advance: t.Callable[[int], object],
) -> Built:
    """Make a set, unless somebody else makes it while this process waits."""
    directories.make(base)
    parent = base / sets.FRONTEND
    directories.make(parent)
    with _lock(parent) as is_alone:
        found = _find(frontend, base, encoder)
        if found is not None:
            return found
        if is_alone:
            _tidy(parent)
        target = parent / sets.set_name(frontend, encoder.coding, encoder.level)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=parent))
        try:
            _fill(temporary, frontend, encoder, advance)
            directories.publish(temporary)
            shutil.rmtree(target, ignore_errors=True)  # damaged: else it had been found
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return _describe(frontend, encoder.coding, target, sets.read(target))._replace(is_new=True)


def _fill(
    directory: pathlib.Path,
    frontend: Frontend,
    encoder: Encoder,
    advance: t.Callable[[int], object],
) -> None:
    """Compress all files that get smaller into a directory.

    :raise OSError: The disk is full, or an upgrade is replacing the files right now.
    """
    manifest: dict[str, tuple[str, int, str]] = {}
    for url, file in frontend.files.items():
        if not file.is_compressible:
            continue
        data = pathlib.Path(file.path).read_bytes()
        if len(data) != file.size:
            raise FileNotFoundError(f"{file.path} has changed")
        encoded = encoder.compress(data)
        advance(file.size)
        if len(encoded) > file.size * _WORTHWHILE:
            continue
        name = f"{len(manifest)}.{encoder.coding}"
        (directory / name).write_bytes(encoded)
        manifest[url] = (name, len(encoded), f'"{hashlib.sha256(encoded).hexdigest()[:24]}"')
    text = json.dumps({"version": frontend.version, "files": manifest})
    (directory / sets.MANIFEST).write_text(text, encoding="utf-8")


def _describe(frontend: Frontend, coding: str, directory: pathlib.Path, files: sets.Set) -> Built:
    before = sum(frontend.files[url].size for url in files if url in frontend.files)
    after = sum(encoded.size for encoded in files.values())
    return Built(coding, directory, False, len(files), before, after)


@contextlib.contextmanager
def _lock(parent: pathlib.Path) -> Iterator[bool]:
    """Wait until nobody else builds here; yield whether that's sure.

    The system gives the lock of a process that was killed to the next one.
    """
    lock = os.open(parent / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            yield False  # a file system without locks: twice the work, and nothing worse
        else:
            yield True
    finally:
        os.close(lock)


def _tidy(parent: pathlib.Path) -> None:
    """Remove what a killed process has left, and sets that nobody uses. Needs the lock."""
    for path in parent.iterdir():
        with contextlib.suppress(OSError):
            left = path.name.startswith(_TEMPORARY)
            if left or time.time() - path.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(path, ignore_errors=True)
