"""The API: who may do what, and what bad input gets."""

from __future__ import annotations

import concurrent.futures
import typing as t
from datetime import timedelta

import itsdangerous
import pytest

from groundwater import config
from groundwater.models import LoginAttempt, Reading, Role, User
from groundwater.services import accounts

from .conftest import PASSWORD, Person, count, with_role

READING = {"well_id": 1, "taken_on": "2024-05-01", "level_m": 81.25, "note": "clear"}
PROTECTED = [
    ("GET", "/me", None, "viewer"),
    ("GET", "/users", None, "admin"),
    ("POST", "/users", {"name": "eve", "password": PASSWORD, "role": "admin"}, "admin"),
    ("PATCH", "/users/1", {"role": "admin"}, "admin"),
    ("GET", "/wells", None, "viewer"),
    ("POST", "/wells", {"name": "Castle Hill"}, "admin"),
    ("GET", "/readings", None, "viewer"),
    ("POST", "/readings", READING, "editor"),
    ("PUT", "/readings/1", {"level_m": 1, "note": "", "version": 1}, "editor"),
    ("DELETE", "/readings/1?version=1", None, "editor"),
    ("POST", "/readings/import", None, "editor"),
    ("GET", "/readings.csv", None, "viewer"),
    ("POST", "/trends/job", {}, "editor"),
    ("DELETE", "/trends/job/1", None, "editor"),
]


@pytest.mark.usefixtures("db")
def test_roles_are_enforced() -> None:
    """Whoever lacks the role is refused, whatever a page shows; and nothing has happened."""
    people = {"": Person(), **{role.value: with_role(role) for role in Role}}
    for method, path, body, needed in PROTECTED:
        for role, person in people.items():
            if role and Role(role).includes(Role(needed)):
                continue
            status = person.send(method, path, json=body).status_code
            assert status == (403 if role else 401), (method, path, role)
    assert count(Reading) == 0
    assert count(User) == 3


def test_tokens_cant_be_forged_and_end(
    viewer: Person, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(token: str) -> int:
        return Person(token).send("GET", "/me").status_code

    assert status(viewer.token) == 200
    other_key = itsdangerous.URLSafeTimedSerializer("x" * 32, salt="groundwater session")
    for forged in ("x", viewer.token[:-1], str(other_key.dumps([1, 0])), "é", "a b"):
        assert status(forged) == 401
    with monkeypatch.context() as patch:
        patch.setattr(config, "SESSION_LENGTH", timedelta(seconds=-1))
        assert status(viewer.token) == 401
    viewer.send("POST", "/logout")
    assert status(viewer.token) == 401  # however it was kept
    login = {"name": "The-Viewer", "password": PASSWORD}
    again = Person(Person().send("POST", "/login", json=login).get_json()["token"])
    assert admin.send("PATCH", "/users/1", json={"is_active": False}).status_code == 200
    assert status(again.token) == 401
    assert Person().send("POST", "/login", json=login).status_code == 401


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("name", ["the-admin", "nobody"])
def test_guessing_is_limited(name: str) -> None:
    """Also by many at once; and the right password doesn't help any more then."""

    def guess(password: str) -> int:
        answer = Person().send("POST", "/login", json={"name": name, "password": password})
        return answer.status_code

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(guess, ["wrong"] * 12))
    assert set(statuses) <= {401, 429}
    assert statuses.count(401) <= accounts.MAX_FAILURES
    while guess("wrong") == 401:
        pass
    assert guess(PASSWORD) == 429
    assert count(LoginAttempt) == accounts.MAX_FAILURES  # those refused don't prolong it


def test_last_admin_stays(admin: Person) -> None:
    for change in ({"role": "viewer"}, {"is_active": False}):
        answer = admin.send("PATCH", "/users/3", json=change)
        assert answer.status_code == 409
    new = {"name": "Ada", "password": PASSWORD, "role": "admin"}
    assert admin.send("POST", "/users", json=new).get_json()["name"] == "ada"
    assert admin.send("POST", "/users", json=new).status_code == 409
    assert admin.send("PATCH", "/users/3", json={"role": "viewer"}).status_code == 200
    assert admin.send("GET", "/users").status_code == 401  # the session has ended


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"level_m": "deep"}, "level_m"),
        ({"level_m": 1e400}, "level_m"),
        ({"level_m": 9001}, "level_m"),
        ({"taken_on": "2999-01-01"}, "taken_on"),
        ({"taken_on": "0001-01-01"}, "taken_on"),
        ({"note": "x" * 201}, "note"),
        ({"note": "\0"}, "note"),
        ({"note": "\ud800"}, "note"),
        ({"well_id": 2**31}, "well_id"),
        ({"well_id": None}, "well_id"),
    ],
)
def test_bad_readings(editor: Person, change: dict[str, t.Any], field: str) -> None:
    answer = editor.send("POST", "/readings", json={**READING, **change})
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["errors"][0]["loc"] == [field]


def test_names_are_only_text(admin: Person) -> None:
    names = ["<script>alert(1)</script>", "Robert'); DROP TABLE well;--", "=1+1", "Brück 井"]
    for name in names:
        assert admin.send("POST", "/wells", json={"name": name}).status_code == 201
        assert admin.send("POST", "/wells", json={"name": name}).status_code == 409
    listed = [well["name"] for well in admin.send("GET", "/wells").get_json()]
    assert set(names) < set(listed)
    bad = {"name": names[0], "password": PASSWORD, "role": "viewer"}
    assert admin.send("POST", "/users", json=bad).status_code == 422


def test_two_editors(editor: Person, admin: Person) -> None:
    """The second one is told, and overwrites nothing."""
    made = editor.send("POST", "/readings", json=READING).get_json()
    assert editor.send("POST", "/readings", json=READING).status_code == 409
    assert editor.send("POST", "/readings", json={**READING, "well_id": 9}).status_code == 404
    path, change = f"/readings/{made['id']}", {"level_m": 80, "note": "", "version": 1}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: editor.send("PUT", path, json=change).status_code, range(8))
        assert sorted(answers) == [200] + [409] * 7
    assert admin.send("DELETE", f"{path}?version=1").status_code == 409
    assert admin.send("DELETE", f"{path}?version=2").status_code == 204
    assert admin.send("DELETE", f"{path}?version=2").status_code == 404
    assert editor.send("PUT", path, json=change).status_code == 404


def test_missing_secret_is_named(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(config.SECRET_VARIABLE)
    answer = Person().send("POST", "/login", json={"name": "the-admin", "password": PASSWORD})
    assert answer.status_code == 500
    assert config.SECRET_VARIABLE in answer.get_json()["detail"]
