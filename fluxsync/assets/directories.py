"""Directories in which files are kept that can be made again."""

from __future__ import annotations

import os
import pathlib
import stat
import tempfile

_MODE = 0o755


def candidates(setting: str) -> tuple[pathlib.Path, ...]:
    """Return where files may be kept, the best place first.

    :param setting: ``cache_dir``; the user's cache directory is taken if it's ``""``.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    # XDG Base Directory Specification: a relative path is to be ignored.
    if not os.path.isabs(home):
        home = os.path.join(os.path.expanduser("~"), ".cache")
    # systemd's CacheDirectory is a link, where the user exists only as long as the service.
    first = os.path.realpath(setting) if setting else os.path.join(home, "fluxsync")
    # Not in the supervisor's own directory, which goes when the last supervisor does.
    last = os.path.join(tempfile.gettempdir(), f"fluxsync-cache-{os.getuid()}")
    paths = [path for path in (first, os.path.abspath(last)) if os.path.isabs(path)]
    return tuple(pathlib.Path(path) for path in dict.fromkeys(paths))


def is_trusted(path: pathlib.Path) -> bool:
    """Whether nobody but this user, and root, can have put files there.

    What lies there goes to browsers as Streamlit's own scripts.
    """
    try:
        found = path.lstat()
    except OSError:
        return False
    is_ours = found.st_uid in (os.getuid(), 0) and not found.st_mode & 0o022
    return stat.S_ISDIR(found.st_mode) and is_ours


def make(path: pathlib.Path) -> None:
    """Make a directory that this user alone can write, and others may read.

    :raise OSError: It can't be made, or isn't such a directory.
    """
    try:
        path.mkdir(_MODE, parents=True)  # never wider, not for a moment
    except FileExistsError:
        pass
    else:
        path.chmod(_MODE)  # an image is often built by one user and run by another
    if not is_trusted(path):
        raise PermissionError(f"{path} is not a directory of your own that nobody else may write")


def publish(temporary: pathlib.Path) -> None:
    """Let others read a directory that was made as a temporary one, and all in it."""
    temporary.chmod(_MODE)
    for path in temporary.iterdir():
        path.chmod(0o644)
