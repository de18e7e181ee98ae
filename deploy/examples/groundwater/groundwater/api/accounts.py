"""Logging in and out, and users."""

from __future__ import annotations

from fluxsync.api import router

from .. import schemas
from ..models import Role
from ..schemas import Me, Session, UserOut
from ..security import current_user, make_token, protected_router
from ..services import accounts

door = router(tags=["account"])
account = protected_router("account", read=Role.VIEWER, write=Role.VIEWER)
users = protected_router("users", read=Role.ADMIN, write=Role.ADMIN)
routers = (door, account, users)


@door.post("/login")
def log_in(body: schemas.Login) -> Session:
    """Log in with name and password."""
    user = accounts.log_in(body.name, body.password)
    return Session(name=user.name, role=user.role, token=make_token(user))


@account.get("/me")
def me() -> Me:
    """Say who asks."""
    return Me.of(current_user())


@account.post("/logout", responses={204: None})
def log_out() -> tuple[str, int]:
    """End the sessions of who asks, in all browsers."""
    accounts.log_out(current_user())
    return "", 204


@users.get("/users")
def list_users() -> list[UserOut]:
    """List all users."""
    return UserOut.all_of(accounts.users())


@users.post("/users", responses={201: UserOut})
def add_user(body: schemas.NewUser) -> tuple[UserOut, int]:
    """Make a user."""
    return UserOut.of(accounts.add_user(body.name, body.password, body.role)), 201


@users.patch("/users/<int:id>")
def change_user(path: schemas.ById, body: schemas.UserChange) -> UserOut:
    """Change a user's role or password, or close the account; ends the user's sessions."""
    return UserOut.of(accounts.change_user(path.id, body))
