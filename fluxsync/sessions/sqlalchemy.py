"""Sessions in a database that SQLAlchemy reaches."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ..config.masking import hide_password
from ..exceptions import SessionError
from ..telemetry.redaction import redact_text
from .data import MAX_BYTES
from .store import DEFAULT_TTL, TextStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection, Engine

#: Each so many writes, what is too old goes, up to so many sessions.
_TIDY_EVERY, _TIDY_AT_ONCE = 16, 500
#: How often a write is tried against somebody who deletes the same session.
_ATTEMPTS = 5


class SQLAlchemySessionStore(TextStore):
    """Keeps sessions in two tables of a database, which are made if they aren't there.

    Sessions end by the clocks of the machines that use them, so these have to agree.

    :param engine_or_url: An engine of one's own, or a URL for one.
    :param default_ttl_seconds: How long a session is kept that nobody writes to.
    :param table: Name of the sessions' table; that of the key has ``_key`` behind it.
    :param namespace: Another one for each application that uses the table.
    :param max_bytes: Largest session, as JSON.
    :param secret: Signs ids; the database keeps a key if it's empty.
    :param clock: Returns seconds since the epoch, the same for all processes.
    :raise SessionError: The package or a driver is missing, a limit isn't positive, or it's no
        URL; in the methods, the database can't be reached or refuses.
    """

    def __init__(
        self,
        engine_or_url: str | Engine,
        default_ttl_seconds: float = DEFAULT_TTL,
        *,
        table: str = "fluxsync_session",
        namespace: str = "",
        max_bytes: int = MAX_BYTES,
        secret: str = "",
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        super().__init__(default_ttl_seconds, max_bytes, secret)
        try:
            import sqlalchemy
        except ImportError as e:
            raise SessionError(
                "sessions in a database need: pip install 'fluxsync[sqlalchemy]'"
            ) from e
        self._sa = sqlalchemy
        self._namespace = namespace
        self._clock = clock
        self._writes = 0
        self._has_tables = False
        self._metadata = sqlalchemy.MetaData()
        self._sessions, self._keys = self._tables(table)
        if not isinstance(engine_or_url, str):
            self._engine = engine_or_url
        else:
            try:
                # Connections that a firewall has dropped in the night are made anew.
                # Errors are logged with their causes, and sessions are nobody else's to read.
                self._engine = sqlalchemy.create_engine(
                    engine_or_url, pool_pre_ping=True, hide_parameters=True
                )
                if self._engine.dialect.name == "sqlite":
                    sqlalchemy.event.listen(self._engine, "connect", _settle)
            except (sqlalchemy.exc.NoSuchModuleError, ImportError) as e:
                raise SessionError(f"session store {hide_password(engine_or_url)}: {e}") from e
            except (sqlalchemy.exc.ArgumentError, ValueError):
                # The reason may be half of a password that has a colon or an at sign in it.
                raise SessionError(
                    f"session store {hide_password(engine_or_url)}: expected "
                    "dialect+driver://user:password@host:port/database, where the password has "
                    "%40 for '@', %3A for ':' and so on"
                ) from None

    def __str__(self) -> str:
        return self._engine.url.set(query={}).render_as_string(hide_password=True)

    def close(self) -> None:
        """Close connections that nobody uses; the next call opens others."""
        self._engine.dispose()

    def _tables(self, name: str) -> tuple[sa.Table, sa.Table]:
        from sqlalchemy.dialects import mysql

        sa = self._sa
        # MySQL's TEXT ends at 64 kB.
        text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
        sessions = sa.Table(
            name,
            self._metadata,
            sa.Column("id", sa.String(64), primary_key=True),
            sa.Column("data", text, nullable=False),
            sa.Column("expires", sa.Double, nullable=False, index=True),
        )
        keys = sa.Table(
            f"{name}_key",
            self._metadata,
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("value", sa.String(64), nullable=False),
        )
        return sessions, keys

    def _read(self, key: str) -> str | None:
        columns = self._sessions.c
        found = self._sa.select(columns.data).where(
            columns.id == key, columns.expires > self._clock()
        )
        with self._transaction() as connection:
            return connection.execute(found).scalar()

    def _write(self, key: str, text: str, ttl: float) -> None:
        now = self._clock()
        values = {"data": text, "expires": now + ttl}
        update = self._sessions.update().where(self._sessions.c.id == key).values(values)
        insert = self._sessions.insert().values(id=key, **values)
        # What every database has. The primary key decides between two who insert; who comes
        # second updates, unless somebody has deleted it meanwhile.
        for _ in range(_ATTEMPTS):
            with self._transaction() as connection:
                if connection.execute(update).rowcount:
                    break
            if self._is_inserted(insert):
                break
        else:
            raise SessionError(f"session store {self}: others delete this session all the time")
        if self._writes % _TIDY_EVERY == 0:
            self._tidy(now)
        self._writes += 1

    def _remove(self, key: str) -> bool:
        delete = self._sessions.delete().where(self._sessions.c.id == key)
        with self._transaction() as connection:
            return connection.execute(delete).rowcount > 0

    def _keep_key(self, proposed: str) -> str:
        found = self._sa.select(self._keys.c.value).where(self._keys.c.id == 1)
        insert = self._keys.insert().values(id=1, value=proposed)
        for _ in range(2):
            with self._transaction() as connection:
                if key := connection.execute(found).scalar():
                    return str(key)
            if self._is_inserted(insert):
                return proposed
        raise SessionError(f"session store {self}: its key can be neither read nor written")

    def _is_inserted(self, insert: sa.Insert) -> bool:
        """Insert a row; ``False`` if somebody else has."""
        try:
            with self._transaction() as connection:
                connection.execute(insert)
        except SessionError as e:
            if isinstance(e.__cause__, self._sa.exc.IntegrityError):
                return False
            raise
        return True

    def _tidy(self, now: float) -> None:
        columns = self._sessions.c
        old = (
            self._sa.select(columns.id)
            .where(columns.expires <= now)
            .order_by(columns.expires)
            .limit(_TIDY_AT_ONCE)
            # Two who tidy at once would wait for each other, one the other way round.
            .with_for_update(skip_locked=True)
        )
        with self._transaction() as connection:
            if keys := connection.execute(old).scalars().all():
                connection.execute(self._sessions.delete().where(columns.id.in_(keys)))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            if not self._has_tables:
                self._create_tables()
            with self._engine.begin() as connection:
                yield connection
        except self._sa.exc.SQLAlchemyError as e:
            # The message would go on with the statement and its values.
            reason = str(getattr(e, "orig", None) or e).strip().partition("\n")[0]
            raise SessionError(f"session store {self}: {redact_text(reason)}") from e

    def _create_tables(self) -> None:
        with self._lock:
            for attempt in range(_ATTEMPTS):
                try:
                    self._metadata.create_all(self._engine)
                    break
                except self._sa.exc.DBAPIError:
                    # Another process may be creating them just now.
                    if attempt == _ATTEMPTS - 1:
                        raise
            self._has_tables = True

    def _after_fork(self) -> None:
        super()._after_fork()
        if hasattr(self, "_engine"):
            # The parent's connections stay the parent's.
            self._engine.dispose(close=False)


def _settle(connection: t.Any, record: object) -> None:
    """Have writers of an SQLite file wait for each other, and not for long."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 30000")
    # Somebody else may be doing the same; then he does it for all.
    with contextlib.suppress(connection.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
