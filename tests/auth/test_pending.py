from __future__ import annotations

import time
import typing as t

import flask
import pytest
from werkzeug.test import create_environ

from fluxsync.auth.pending import COOKIE, Cookies, Pending

SECRET = "s" * 32


def cookie_of(cookies: Cookies, found: Pending) -> str:
    with flask.Flask("x").test_request_context():
        response = flask.Response()
        cookies.save(response, found, "/app")
    name, _, value = response.headers["Set-Cookie"].partition(";")[0].partition("=")
    assert name == COOKIE
    return value


def test_round_trip() -> None:
    cookies = Cookies(SECRET, 600)
    begun, login = Pending("browser").begin("verifier", "/page?a=ü")

    found = cookies.load(cookie_of(cookies, begun))

    assert found == begun
    assert found.find(login.state) == login
    assert found.find("") is None
    assert found.without(login) == Pending("browser")


def test_each_login_is_its_own() -> None:
    begun, first = Pending("browser").begin("v", "/")
    begun, second = begun.begin("v", "/")

    assert len({first.state, first.nonce, second.state, second.nonce}) == 4


def test_other_secret() -> None:
    assert Cookies(SECRET, 600).load(cookie_of(Cookies("t" * 32, 600), Pending("browser"))) is None


@pytest.mark.parametrize("seconds", [601, -10_000])
def test_old_cookie(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """One from the future counts as old, too: a clock was set back."""
    cookies = Cookies(SECRET, 600)
    begun, _ = Pending("browser").begin("v", "/")
    value = cookie_of(cookies, begun)
    assert cookies.load(value) is not None
    now = time.time()

    monkeypatch.setattr("time.time", lambda: now + seconds)

    assert cookies.load(value) is None


def test_old_login_beside_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cookies = Cookies(SECRET, 600)
    begun, old = Pending("browser").begin("v", "/")
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 400)
    begun, new = begun.begin("v", "/")
    value = cookie_of(cookies, begun)

    monkeypatch.setattr("time.time", lambda: now + 700)

    found = cookies.load(value)
    assert found is not None
    assert (found.find(old.state), found.find(new.state)) == (None, new)


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_attributes(scheme: str, secure: bool) -> None:
    environ = create_environ(base_url=f"{scheme}://host/")
    with flask.Flask("x").request_context(environ):
        set_, cleared = flask.Response(), flask.Response()
        Cookies(SECRET, 600).save(set_, Pending("b"), "/app")
        Cookies(SECRET, 600).clear(cleared, "/app")

    for response in (set_, cleared):
        parts = response.headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/app"} <= set(parts)
        assert ("Secure" in parts) is secure


def test_new_browser_each_time() -> None:
    def browser() -> t.Any:
        with flask.Flask("x").test_request_context():
            return Cookies(SECRET, 600).of_request()

    assert browser() != browser()
