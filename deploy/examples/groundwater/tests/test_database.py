"""What only concerns processes, and the file that SQLite keeps."""

from __future__ import annotations

import os
import warnings

import pytest

from groundwater import database


@pytest.mark.usefixtures("db")
def test_a_child_has_its_own_connections() -> None:
    with database.session() as session:
        mine = session.connection().connection.dbapi_connection
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads: not ours
        pid = os.fork()
    if pid == 0:
        with database.session() as own:
            is_own = own.connection().connection.dbapi_connection is not mine
        os._exit(0 if is_own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.usefixtures("db")
def test_nobody_else_can_read_the_file() -> None:
    path = database.engine().url.database
    if database.engine().dialect.name != "sqlite":
        pytest.skip("the server keeps the data")
    assert path
    assert os.stat(path).st_mode & 0o077 == 0
