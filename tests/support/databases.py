"""A real Redis and a real PostgreSQL, on Unix sockets in directories of their own."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import typing as t

import pytest

from tests.support.processes import Server
from tests.support.waiting import eventually


class Database(Server):
    """A database server, ready when something listens on its socket."""

    socket_name = ""

    def start(self) -> None:
        super().start()
        eventually(self._listens, 20, lambda: f"a database\n{self.output}")

    def _listens(self) -> bool:
        assert self.popen.poll() is None, self.output
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
            sock.connect(str(self.directory / self.socket_name))
            return True
        return False


class RedisServer(Database):
    """Redis without files; its URL is :attr:`url`."""

    socket_name = "redis.sock"

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        assert program
        super().__init__(
            *(program, "--port", "0", "--unixsocket", self.socket_name),
            *("--save", "", "--appendonly", "no", "--databases", "16"),
        )
        self.url = f"unix://{self.directory / self.socket_name}"


class PostgresServer(Database):
    """A new PostgreSQL cluster; its URL for SQLAlchemy is :attr:`url`."""

    socket_name = ".s.PGSQL.5432"

    def __init__(self, programs: str) -> None:
        self._prefix: tuple[str, ...] = ()
        user = pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root.
            user = next(e.pw_name for e in pwd.getpwall() if e.pw_name in ("postgres", "nobody"))
            entry = pwd.getpwnam(user)
            self._prefix = (
                *("setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}"),
                *("--clear-groups", "--"),
            )
        super().__init__(
            *(*self._prefix, f"{programs}/postgres", "-D", "data"),
            *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"),
        )
        # It works in its data directory, and doesn't take ``..`` for its sockets.
        self.args += ("-k", str(self.directory))
        self._initdb = (f"{programs}/initdb", "-D", "data", "-U", "test", "-A", "trust", "-N")
        self._user = user
        self.url = f"postgresql+psycopg://test@/postgres?host={self.directory}"

    def start(self) -> None:
        if self._prefix:
            shutil.chown(self.directory, self._user)
        subprocess.run(
            [*self._prefix, *self._initdb, "-E", "UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            cwd=self.directory,
            timeout=60,
        )
        super().start()


def _programs_of_postgres() -> str:
    """Return the directory with ``initdb``, which Debian doesn't have in the path."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    initdb = shutil.which("initdb") or (found[-1] if found else "")
    return os.path.dirname(initdb)


@pytest.fixture(scope="session")
def redis_server() -> t.Iterator[RedisServer]:
    """A Redis that many tests use; they need keys of their own."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    server = RedisServer()
    server.shared = True
    with server:
        yield server


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    """URL of :func:`redis_server`."""
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server() -> t.Iterator[PostgresServer]:
    """A PostgreSQL that many tests use; they need tables or databases of their own."""
    programs = _programs_of_postgres()
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    server = PostgresServer(programs)
    server.shared = True
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """URL of :func:`postgres_server`, for SQLAlchemy with psycopg."""
    return postgres_server.url
