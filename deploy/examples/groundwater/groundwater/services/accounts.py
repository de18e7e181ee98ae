"""Users, their passwords, and how often one may guess."""

from __future__ import annotations

import functools
from datetime import timedelta

import sqlalchemy as sa
from werkzeug.security import check_password_hash, generate_password_hash

from .. import database
from ..errors import Conflict, NotThere, TooManyAttempts, WrongLogin
from ..models import LoginAttempt, Role, User, now
from ..schemas import UserChange

MAX_FAILURES = 5
WINDOW = timedelta(minutes=15)


def log_in(name: str, password: str) -> User:
    """Return the user.

    Failures are counted by name, for unknown ones too, in the database: an attempt counts
    before its password is checked, so many at once, in many workers, don't get more guesses.
    """
    name = name.lower()
    attempt = LoginAttempt(name=name, at=now())
    with database.session(writes=True) as session:
        session.execute(sa.delete(LoginAttempt).where(LoginAttempt.at < now() - WINDOW))
        session.add(attempt)
    of_name = LoginAttempt.name == name
    with database.session(writes=True) as session:
        count = session.scalar(sa.select(sa.func.count()).where(of_name)) or 0
        if count > MAX_FAILURES:
            session.delete(attempt)
        user = session.scalar(sa.select(User).where(User.name == name))
    if count > MAX_FAILURES:
        minutes = int(WINDOW.total_seconds() // 60)
        raise TooManyAttempts(f"Too many attempts with this name. Try again in {minutes} minutes.")
    # Takes as long for a user that isn't there.
    matches = check_password_hash(user.password_hash if user else _nobodys_hash(), password)
    if user is None or not matches or not user.is_active:
        raise WrongLogin("Name or password is wrong.")  # which of them is nobody's business
    with database.session(writes=True) as session:
        session.execute(sa.delete(LoginAttempt).where(of_name))
    return user


@functools.cache
def _nobodys_hash() -> str:
    return generate_password_hash("")


def log_out(user: User) -> None:
    """End all sessions of a user, in all browsers."""
    with database.session(writes=True) as session:
        session.execute(
            sa.update(User).where(User.id == user.id).values(generation=User.generation + 1)
        )


def add_user(name: str, password: str, role: Role) -> User:
    """Make a user.

    :raise Conflict: There is one of this name.
    """
    user = User(name=name, password_hash=generate_password_hash(password), role=role)
    try:
        with database.session(writes=True) as session:
            session.add(user)
    except sa.exc.IntegrityError:
        raise Conflict(f"There is a user {name!r} already.") from None
    return user


def users() -> list[User]:
    with database.session() as session:
        return list(session.scalars(sa.select(User).order_by(User.name)))


def change_user(user_id: int, change: UserChange) -> User:
    """Change what is given, and end the user's sessions.

    :raise Conflict: Nobody would be left to administer.
    """
    password_hash = generate_password_hash(change.password) if change.password else None
    with database.session(writes=True) as session:
        # Locked in one order: two admins who demote each other wait here, one after the other.
        admins = session.scalars(
            sa.select(User.id)
            .where(User.role == Role.ADMIN, User.is_active)
            .order_by(User.id)
            .with_for_update()
        ).all()
        user = session.get(User, user_id, populate_existing=True, with_for_update=True)
        if user is None:
            raise NotThere("There is no such user.")
        user.role = change.role or user.role
        user.is_active = user.is_active if change.is_active is None else change.is_active
        user.password_hash = password_hash or user.password_hash
        user.generation += 1
        if list(admins) == [user_id] and not (user.is_active and user.role is Role.ADMIN):
            raise Conflict("This is the last admin.")
    return user
