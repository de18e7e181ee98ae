"""Logins that a browser has begun. They are kept in its own cookie, and nowhere else.

So nobody fills a store with logins that they never end, and no other browser can end one
(RFC 9700 2.1, 4.7). The cookie is signed; scripts can't read it, and other sites' forms don't
bring it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import typing as t

import flask
import itsdangerous

if t.TYPE_CHECKING:
    from werkzeug import Response

#: The cookie. Pages see it, too.
COOKIE = "fluxsync_login"
#: Most logins at the same time, as of several tabs: a cookie has 4096 bytes.
_MOST = 4


class Login(t.NamedTuple):
    """A login that has begun."""

    state: str
    nonce: str
    code_verifier: str
    #: Path within the application to go to afterwards.
    path: str
    #: When, in seconds since the epoch.
    begun: float


class Pending(t.NamedTuple):
    """What the cookie says."""

    #: Stands for this browser.
    browser: str
    logins: tuple[Login, ...] = ()

    def find(self, state: str) -> Login | None:
        """Return the login with a state."""
        for login in self.logins:
            if hmac.compare_digest(login.state.encode(), state.encode()):
                return login
        return None

    def begin(self, code_verifier: str, path: str) -> tuple[Pending, Login]:
        """Return a new login, and what the cookie says with it."""
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        login = Login(state, nonce, code_verifier, path, time.time())
        return self._replace(logins=(*self.logins, login)[-_MOST:]), login

    def without(self, login: Login) -> Pending:
        """Return what the cookie says when a login is over."""
        return self._replace(logins=tuple(other for other in self.logins if other != login))


class Cookies:
    """Reads and writes the cookie.

    :param secret: Signs it.
    :param max_age: Seconds that a login may take.
    :param is_secure: Whether browsers come by HTTPS in any case; otherwise, requests tell.
    """

    def __init__(self, secret: str, max_age: int, *, is_secure: bool = False) -> None:
        self._max_age = max_age
        self._is_secure = is_secure
        self._serializer = serializer(secret, "fluxsync.login")

    def load(self, value: str) -> Pending | None:
        """Return what a cookie says; ``None`` if it isn't ours, or is too old."""
        try:
            browser, logins = self._serializer.loads(value, max_age=self._max_age)
        except itsdangerous.BadData:
            return None
        oldest = time.time() - self._max_age
        found = (Login(*login) for login in logins)
        return Pending(browser, tuple(login for login in found if login.begun > oldest))

    def of_request(self) -> Pending:
        """Return what the current request's cookie says; a new browser if there's none."""
        found = self.load(flask.request.cookies.get(COOKIE, ""))
        return found or Pending(secrets.token_urlsafe(32))

    def save(self, response: Response, pending: Pending, path: str) -> None:
        """Have the browser keep it.

        :param path: Where: all of the application.
        """
        value = self._serializer.dumps([pending.browser, [list(login) for login in pending.logins]])
        response.set_cookie(COOKIE, value, max_age=self._max_age, **self._attributes(path))

    def clear(self, response: Response, path: str) -> None:
        """Have the browser forget it."""
        response.delete_cookie(COOKIE, **self._attributes(path))

    def _attributes(self, path: str) -> dict[str, t.Any]:
        # Lax, as the browser comes back from another site.
        secure = self._is_secure or flask.request.is_secure
        return {"path": path, "secure": secure, "httponly": True, "samesite": "Lax"}


def serializer(secret: str, salt: str) -> itsdangerous.URLSafeTimedSerializer:
    """Return what signs values and reads them again.

    :param salt: What they are for: no other one reads them.
    """
    return itsdangerous.URLSafeTimedSerializer(
        secret,
        salt=salt,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
