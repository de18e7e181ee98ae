"""The directory in which a supervisor is found: its lock, its socket, its description.

One directory per application and anchor, below one per user. Whoever holds the lock is the
supervisor, or about to start it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import re
import stat
import typing as t

from ..exceptions import ConfigError, FluxSyncError, SupervisorError

#: ``sun_path`` has 108 bytes on Linux and 104 elsewhere, with the final zero (unix(7)).
_MAX_SOCKET_PATH = 103
#: Names of state directories. A directory that somebody has chosen for them may have others in
#: it, which must never be taken for stale ones.
_KEY = re.compile("[0-9a-f]{16}")


class StateDirectory:
    """Where one supervisor is found.

    :param base: Directory of all supervisors of this user, from :func:`base_directory`.
    :param key: Name within, from :func:`~fluxsync.process.spec.application_key`.
    :param source: Where the setting for *base* comes from.
    :raise ConfigError: The path is too long for a socket.
    """

    def __init__(self, base: pathlib.Path, key: str, source: str = "default") -> None:
        self._source = source
        self.path = base / key
        self.socket = self.path / "supervisor.sock"
        self.info = self.path / "supervisor.json"
        #: Where gateway workers have sockets for pages; not always there.
        self.calls = self.path / "calls"
        self._lock = self.path / "lock"
        if len(os.fsencode(self.socket)) > _MAX_SOCKET_PATH:
            raise ConfigError(
                "state_dir",
                str(base),
                source=source,
                expected=f"a shorter path, as a socket's has {_MAX_SOCKET_PATH} bytes at most",
            )

    def try_lock(self) -> int | None:
        """Take the lock; ``None`` if somebody has it.

        :return: Descriptor of the open file that holds the lock. It's held until all
            copies of the descriptor are closed, in whichever process.
        :raise ConfigError: The directory of all supervisors isn't ours any more.
        :raise SupervisorError: The directory can't be written.
        """
        # It may have been tidied away, and somebody else may have made another one.
        base_directory(os.fspath(self.path.parent), self._source)
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None  # its last user is just removing it
        except OSError as e:
            raise SupervisorError(
                f"can't write the state directory {self.path}: {e.strerror}; "
                "set FLUXSYNC_STATE_DIR to one that can be written"
            ) from e
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The former holder may have removed the file that this lock is on.
            if os.path.samestat(os.fstat(lock), os.stat(self._lock)):
                return lock
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        return None

    def describe(self, info: t.Mapping[str, t.Any]) -> None:
        """Write what ``fluxsync status`` needs to know."""
        temporary = self.info.with_suffix(".new")
        temporary.write_text(json.dumps(info), encoding="utf-8")
        temporary.replace(self.info)

    def description(self) -> dict[str, t.Any] | None:
        """Return what :meth:`describe` wrote; ``None`` if there's nothing to be read."""
        try:
            info = json.loads(self.info.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return info if isinstance(info, dict) else None

    def touch(self) -> None:
        """Keep it from being cleaned away as old (systemd-tmpfiles does after 10 days)."""
        sockets = (self.calls, *self.calls.glob("*"))
        for path in (self.path, self._lock, self.socket, self.info, *sockets):
            with contextlib.suppress(OSError):
                os.utime(path)

    def remove(self) -> None:
        """Remove everything. Only for who holds the lock."""
        import shutil  # large, and needed at the end only

        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.parent == _default_base():
            # The last one turns out the light. A directory that was named is somebody's own.
            with contextlib.suppress(OSError):
                self.path.parent.rmdir()


def base_directory(setting: str, source: str) -> pathlib.Path:
    """Return the directory of all supervisors of this user, and make it.

    :param setting: ``state_dir``, or ``""``.
    :param source: Where the setting comes from.
    :raise ConfigError: It can't be made, belongs to somebody else, or others may write there.
    """
    path = pathlib.Path(setting).absolute() if setting else _default_base()
    source = source if setting else "default"
    try:
        path.mkdir(mode=0o700, parents=bool(setting), exist_ok=True)
        found = path.lstat()
    except OSError as e:
        expected = f"a directory that can be made ({e.strerror}); set FLUXSYNC_STATE_DIR to one"
        raise ConfigError("state_dir", str(path), source=source, expected=expected) from e
    # In a directory that everybody may write, somebody else may have been first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ConfigError(
            "state_dir",
            str(path),
            source=source,
            expected="a directory of your own that nobody else may write",
        )
    return path


def _default_base() -> pathlib.Path:
    import tempfile  # large, and not for the supervisor until its end

    return pathlib.Path(tempfile.gettempdir(), f"fluxsync-{os.getuid()}").absolute()


def all_states(base: pathlib.Path) -> list[StateDirectory]:
    """Return the state directories of this user, in the order of their names."""
    try:
        paths = sorted(base.iterdir())
    except FileNotFoundError:
        return []  # the last supervisor has just removed it
    return [StateDirectory(base, p.name) for p in paths if _KEY.fullmatch(p.name) and p.is_dir()]


def remove_stale(base: pathlib.Path) -> None:
    """Remove what supervisors that were killed have left behind."""
    for state in all_states(base):
        with contextlib.suppress(FluxSyncError):
            lock = state.try_lock()
            if lock is not None:
                state.remove()
                os.close(lock)
