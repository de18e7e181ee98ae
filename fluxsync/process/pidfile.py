"""A file that names the process of a running server, for people and scripts.

It has the number and nothing else, so ``kill $(cat FILE)`` does what it says. Whether the number
still means that process is told by a lock on the file, which the system takes away from a process
that ends, however it ends (fcntl(2), record locks). Children don't have it: they have other
numbers.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import typing as t

from ..exceptions import ConfigError

#: What such a file has in it. Anything else is somebody's, and never overwritten or removed.
_CONTENT = re.compile(rb"\s*[0-9]{0,10}\s*")
_MOST = 64


class PidFile:
    """A file for the process that makes this object.

    :param path: Where; nothing is written if it's empty.
    :param source: Where the setting comes from.
    """

    def __init__(self, path: str, source: str = "settings") -> None:
        self._path = path
        self._source = source
        self._file = -1
        self._owner = 0

    def __enter__(self) -> PidFile:
        """Write the file.

        :raise ConfigError: Another server has it, or it can't be written, or is no such file.
        """
        if not self._path:
            return self
        while self._file < 0:
            file = self._open()
            try:
                self._take(file)
            except BaseException:
                os.close(file)
                raise
            if self._file != file:
                os.close(file)  # whoever had it has just removed it
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Remove the file if it's still the one that was written, by this process."""
        if self._file < 0 or self._owner != os.getpid():
            return  # gunicorn's workers come by here, too
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._file), os.lstat(self._path)):
                os.unlink(self._path)
        os.close(self._file)
        self._file = -1

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            file = os.open(self._path, flags, 0o644)
        except OSError as e:
            why = "a link leads elsewhere" if e.errno == errno.ELOOP else e.strerror
            raise self._refused(f"a file that can be written ({why})") from e
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise self._refused("a regular file")
        return file

    def _take(self, file: int) -> None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            number = os.pread(file, _MOST, 0).decode(errors="replace").strip()
            taken = f"another file, as the server with process id {number} has it"
            raise self._refused(taken) from None
        except OSError as e:
            raise self._refused(f"a file on which locks are possible ({e.strerror})") from e
        content = os.pread(file, _MOST, 0)
        if not _CONTENT.fullmatch(content):
            raise self._refused("a file that isn't there yet, or has a process id in it")
        try:
            if not os.path.samestat(os.fstat(file), os.lstat(self._path)):
                return
        except FileNotFoundError:
            return
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        except OSError as e:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            raise self._refused(f"a file that can be written ({e.strerror})") from e
        self._file, self._owner = file, os.getpid()

    def _refused(self, expected: str) -> ConfigError:
        return ConfigError("pidfile", self._path, source=self._source, expected=expected)


class Found(t.NamedTuple):
    """What a file of this kind says.

    :ivar pid: The number in it; 0 if it has none.
    :ivar is_held: Whether that process lives, and is the one that wrote it.
    """

    pid: int
    is_held: bool


def read(path: str) -> Found:
    """Return what a file says.

    :raise OSError: It can't be read.
    :raise ValueError: It has something else in it.
    """
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        content = os.pread(file, _MOST, 0)
        if not stat.S_ISREG(os.fstat(file).st_mode) or not _CONTENT.fullmatch(content):
            raise ValueError("no process id")
        pid = int(content) if content.strip() else 0
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Found(pid, is_held=bool(pid))
        return Found(pid, is_held=False)
    finally:
        os.close(file)


def remove_stale(path: str) -> None:
    """Remove a file whose process is gone; one that somebody has taken since stays.

    :raise OSError: It can't be removed.
    """
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except BlockingIOError:
        pass
    finally:
        os.close(file)
