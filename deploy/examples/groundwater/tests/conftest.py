"""A database with users and two wells, and people who ask the API."""

from __future__ import annotations

import os
import secrets
import typing as t

import pytest
import sqlalchemy as sa
from fluxsync.testing import FluxSyncTestClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from groundwater import config, database, models
from groundwater.app import app
from groundwater.models import Role, User
from groundwater.security import make_token
from groundwater.services import readings

PASSWORD = "correct horse battery"  # noqa: S105
HASH = generate_password_hash(PASSWORD)  # takes long, on purpose


@pytest.fixture
def db(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """A new SQLite file, or the empty database that the environment names."""
    monkeypatch.setenv(config.SECRET_VARIABLE, secrets.token_hex(32))
    if config.DATABASE_VARIABLE not in os.environ:
        monkeypatch.setenv(config.DATABASE_VARIABLE, f"sqlite:///{tmp_path}/test.sqlite3")
    database.create_schema()
    with database.session(writes=True) as session:
        for role in Role:
            session.add(User(name=f"the-{role.value}", password_hash=HASH, role=role))
            session.flush()
    for name in ("Abbey Farm", "Birch Lane"):
        readings.add_well(name)
    yield
    models.Base.metadata.drop_all(database.engine())
    database.engine().dispose()


class Person:
    """Somebody with a token, or nobody."""

    def __init__(self, token: str = "") -> None:
        self.token = token

    def send(self, method: str, path: str, **options: t.Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return FluxSyncTestClient(app).api.open(path, method=method, headers=headers, **options)


def with_role(role: Role) -> Person:
    """Return who has this role, and has logged in."""
    with database.session() as session:
        return Person(make_token(session.scalars(sa.select(User).filter_by(role=role)).one()))


@pytest.fixture
def viewer(db: None) -> Person:
    return with_role(Role.VIEWER)


@pytest.fixture
def editor(db: None) -> Person:
    return with_role(Role.EDITOR)


@pytest.fixture
def admin(db: None) -> Person:
    return with_role(Role.ADMIN)


def count(table: type[models.Base]) -> int:
    with database.session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
