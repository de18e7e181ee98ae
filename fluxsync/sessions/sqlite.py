"""Sessions in a file, for all processes of one machine."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import typing as t

from ..exceptions import SessionError
from .data import MAX_BYTES
from .store import DEFAULT_TTL, TextStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds to wait for another process that writes.
_BUSY_TIMEOUT = 5.0
#: Each so many writes, what is too old or too much goes, up to so many sessions.
_TIDY_EVERY, _TIDY_AT_ONCE = 16, 500

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, data TEXT NOT NULL,"
    " expires REAL NOT NULL, written REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS session_expires ON session (expires)",
    "CREATE INDEX IF NOT EXISTS session_written ON session (written)",
    "CREATE TABLE IF NOT EXISTS signing_key (id INTEGER PRIMARY KEY, value TEXT NOT NULL)",
)

# SQLite says not to carry a connection across a fork, not even to close it there. These are kept
# from the garbage collector, which would.
_inherited: list[sqlite3.Connection] = []


class SQLiteSessionStore(TextStore):
    """Keeps sessions in an SQLite file, which processes of one machine share.

    Each process has one connection, made when it's first needed. Files on network file systems
    don't work: SQLite's locks don't there.

    :param path: The file; made, for its owner alone, if it isn't there.
    :param default_ttl_seconds: How long a session is kept that nobody writes to.
    :param max_entries: About how many sessions; those that were written longest ago go.
    :param max_bytes: Largest session, as JSON.
    :param secret: Signs ids; the file keeps a key if it's empty.
    :param clock: Returns seconds since the epoch, the same for all processes.
    :raise SessionError: A limit isn't positive; in the methods, the file can't be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        default_ttl_seconds: float = DEFAULT_TTL,
        *,
        max_entries: int = 50_000,
        max_bytes: int = MAX_BYTES,
        secret: str = "",
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        super().__init__(default_ttl_seconds, max_bytes, secret)
        if max_entries < 1:
            raise SessionError(f"max_entries={max_entries!r}: expected at least 1")
        # The working directory may be another one later.
        self._path = os.path.abspath(path)
        self._max_entries = max_entries
        self._clock = clock
        self._writes = 0
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)

    def __str__(self) -> str:
        return self._path

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()

    def close(self) -> None:
        """Close this process's connection; the next call opens another one."""
        with self._lock:
            self._disconnect()

    def _read(self, key: str) -> str | None:
        with self._database() as database:
            row = database.execute(
                "SELECT data FROM session WHERE id = ? AND expires > ?", (key, self._clock())
            ).fetchone()
        return row[0] if row else None

    def _write(self, key: str, text: str, ttl: float) -> None:
        with self._database() as database:
            now = self._clock()
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
                " SET data = excluded.data, expires = excluded.expires, written = excluded.written",
                (key, text, now + ttl, now),
            )
            if self._writes % _TIDY_EVERY == 0:
                self._tidy(database, now)
            self._writes += 1
            database.execute("COMMIT")
            self._touch()

    def _remove(self, key: str) -> bool:
        with self._database() as database:
            return database.execute("DELETE FROM session WHERE id = ?", (key,)).rowcount > 0

    def _keep_key(self, proposed: str) -> str:
        with self._database() as database:
            database.execute("INSERT OR IGNORE INTO signing_key VALUES (1, ?)", (proposed,))
            row = database.execute("SELECT value FROM signing_key").fetchone()
        return str(row[0])

    def _tidy(self, database: sqlite3.Connection, now: float) -> None:
        database.execute(
            "DELETE FROM session WHERE id IN"
            " (SELECT id FROM session WHERE expires <= ? ORDER BY expires LIMIT ?)",
            (now, _TIDY_AT_ONCE),
        )
        (count,) = database.execute("SELECT count(*) FROM session").fetchone()
        if count > self._max_entries:
            database.execute(
                "DELETE FROM session WHERE id IN (SELECT id FROM session ORDER BY written LIMIT ?)",
                (count - self._max_entries,),
            )

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread at a time, in autocommit mode."""
        with self._lock:
            try:
                yield self._connect()
            except (sqlite3.Error, OSError) as e:
                # Which also takes back what was begun.
                self._disconnect()
                raise SessionError(
                    f"session store {self._path}: {e}; expected a file that this user can write, "
                    "made by SQLite. If it's broken, remove it: all URL sessions end then"
                ) from e
            except BaseException:
                self._disconnect()
                raise

    def _connect(self) -> sqlite3.Connection:
        assert self._lock.locked()
        # Temporary directories are tidied: who still has the old file would be alone with it.
        if self._connection is not None and self._inode == self._inode_now():
            return self._connection
        self._disconnect()
        # Not with an umask's mode. A file that is there isn't opened like this: to close it would
        # let go of the locks that this process has on it (fcntl(2)).
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._refuse_others()
        self._connection = connection = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        self._inode = self._inode_now()
        self._use_wal(connection)
        # A power cut loses the last sessions, but doesn't break the file (SQLite, WAL).
        connection.execute("PRAGMA synchronous = NORMAL")
        for statement in _SCHEMA:
            connection.execute(statement)
        return connection

    def _refuse_others(self) -> None:
        """Refuse what somebody else has put where everybody may write, such as ``/tmp``.

        They would read all sessions, and know the key. Linux does so by itself, unless it's told
        not to (``fs.protected_symlinks``, ``fs.protected_regular``).
        """
        directory = os.stat(os.path.dirname(self._path))
        if directory.st_mode & 0o002 and os.lstat(self._path).st_uid not in (os.getuid(), 0):
            raise PermissionError("somebody else made it, where everybody may write")

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Have readers not wait for who writes."""
        end = time.monotonic() + _BUSY_TIMEOUT
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as e:
                # While somebody else does the same, SQLite doesn't wait for its busy timeout.
                if "locked" not in str(e) or time.monotonic() > end:
                    raise
                time.sleep(0.01)
            else:
                return

    def _touch(self) -> None:
        """Have all files look equally used. SQLite writes to one, and maps another.

        Who tidies old temporary files (systemd-tmpfiles does after 10 days) takes all of them
        then, or none; without one of them, the others would be broken.
        """
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.utime(self._path + suffix)

    def _inode_now(self) -> tuple[int, int]:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return (0, 0)
        return found.st_dev, found.st_ino

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _after_fork(self) -> None:
        super()._after_fork()
        connection: sqlite3.Connection | None = getattr(self, "_connection", None)
        if connection is not None:
            _inherited.append(connection)
            self._connection = None
