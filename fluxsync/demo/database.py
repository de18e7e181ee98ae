"""The demo's SQLite file: where it is, how it's made, and a connection to it.

Several worker processes and their threads use the file at once. Each call opens a connection of
its own, which costs a fraction of a millisecond and leaves nothing to share or to lose in a fork.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from . import dataset

DATABASE_ENV = "FLUXSYNC_DEMO_DATABASE"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE station (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE day (
    day TEXT PRIMARY KEY,
    temperature_celsius REAL NOT NULL,
    rain_mm REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE count (
    station TEXT NOT NULL REFERENCES station,
    day TEXT NOT NULL REFERENCES day,
    hour INTEGER NOT NULL,
    bicycles INTEGER NOT NULL,
    PRIMARY KEY (station, day, hour)
) WITHOUT ROWID;

CREATE TABLE sighting (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    author TEXT NOT NULL,
    station TEXT NOT NULL REFERENCES station,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    seen_at TEXT NOT NULL
);
"""


def database_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file that ``FLUXSYNC_DEMO_DATABASE`` names, or one that's the user's own."""
    if named := environ.get(DATABASE_ENV):
        return Path(named)
    return private_directory(Path(tempfile.gettempdir())) / f"demo-{SCHEMA_VERSION}.sqlite3"


def private_directory(parent: Path) -> Path:
    """Make the user's directory for the demo below a directory that others may write to.

    :raise PermissionError: The name is taken by somebody else, or others may look inside.
    """
    directory = parent / f"fluxsync-demo-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    # lstat: in a shared directory, anybody could have left a link with this name.
    status = directory.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid != os.getuid()
        or stat.S_IMODE(status.st_mode) & 0o077
    ):
        raise PermissionError(
            f"{directory} isn't a directory of yours alone: remove it, or set {DATABASE_ENV}"
        )
    return directory


@contextmanager
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to the database, which is made if need be, and disconnect at the end.

    What's done inside is one transaction: kept if the block ends, undone if it raises.
    """
    with closing(_connect(path)) as opened:
        if not _is_complete(opened):
            _create(path, opened)
        with opened:
            yield opened


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite would make the file with the permissions that the umask leaves. Its other files
    # (-wal, -shm) get those of this one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    opened = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)
    opened.row_factory = sqlite3.Row
    opened.execute("PRAGMA foreign_keys = ON")
    return opened


def _is_complete(opened: sqlite3.Connection) -> bool:
    (version,) = opened.execute("PRAGMA user_version").fetchone()
    return bool(version == SCHEMA_VERSION)


def _create(path: Path, opened: sqlite3.Connection) -> None:
    """Fill the database; of several processes that start together, one does it.

    They queue at a lock on the directory. SQLite's own doesn't cover the change to write-ahead
    logging: of eight processes, one was told "database is locked", at once for all its timeout.
    """
    lock = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_complete(opened):
            opened.execute("PRAGMA journal_mode = WAL")
            _fill(opened)
    finally:
        os.close(lock)


def _fill(opened: sqlite3.Connection) -> None:
    """Write schema and data in one transaction, so that a process killed here leaves nothing."""
    year = list(dataset.days())
    with opened:
        opened.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):  # executescript() would commit first
            opened.execute(statement)
        opened.executemany(
            "INSERT INTO station VALUES (?, ?, ?)",
            [(site.station, site.name, site.description) for site in dataset.SITES],
        )
        opened.executemany(
            "INSERT INTO day VALUES (?, ?, ?)",
            [(day.isoformat(), temperature, rain) for day, temperature, rain in year],
        )
        opened.executemany(
            "INSERT INTO count VALUES (?, ?, ?, ?)",
            [(station, day.isoformat(), hour, n) for station, day, hour, n in dataset.counts(year)],
        )
        opened.executemany(
            "INSERT INTO sighting (author, station, kind, note, seen_at) VALUES (?, ?, ?, ?, ?)",
            dataset.SIGHTINGS,
        )
        opened.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
