"""Who is asking, and whether they may: signed tokens, and routers that check them."""

from __future__ import annotations

import typing as t

import flask
import itsdangerous
from flask_openapi3.blueprint import APIBlueprint
from fluxsync.api import router

from . import config, database
from .models import Role, User

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def make_token(user: User) -> str:
    """Return what proves for some hours that its bearer is this user."""
    return _serializer().dumps([user.id, user.generation])


def user_of(token: str) -> User | None:
    """Return who a token belongs to; ``None`` if it's forged, too old or was revoked.

    The user is read each time, so a changed role or a closed account counts at once.
    """
    length = config.SESSION_LENGTH.total_seconds()
    try:
        user_id, generation = _serializer().loads(token, max_age=int(length))
    except itsdangerous.BadData:
        return None
    with database.session() as session:
        user = session.get(User, user_id)
    return user if user and user.is_active and user.generation == generation else None


def _serializer() -> itsdangerous.URLSafeTimedSerializer:
    return itsdangerous.URLSafeTimedSerializer(config.secret_key(), salt="groundwater session")


def protected_router(tag: str, *, read: Role, write: Role) -> APIBlueprint:
    """Return a router all of whose endpoints need a user; so none can forget to ask.

    :param tag: What the documentation lists them under.
    :param read: The role that GET needs at least.
    :param write: The role that everything else needs at least.
    """
    made = router(name=tag, tags=[tag])

    @made.before_request
    def check() -> None:
        scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
        user = user_of(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            flask.abort(401, "Log in first, or again: the session is missing or has ended.")
        needed = read if flask.request.method in SAFE_METHODS else write
        if not user.role.includes(needed):
            flask.abort(403, f"This needs the role {needed.value}; yours is {user.role.value}.")
        flask.g.user = user

    return made


def current_user() -> User:
    """Return who sends the request that is being answered."""
    return t.cast("User", flask.g.user)
