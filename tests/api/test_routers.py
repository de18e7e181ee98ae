from __future__ import annotations

import typing as t

import flask
import pydantic
import pytest
from flask_openapi3.models.tag import Tag

from fluxsync.api import router
from fluxsync.api.application import create_api
from fluxsync.exceptions import ApiError


class Path(pydantic.BaseModel):
    id: int


@pytest.mark.parametrize("prefix", ["/users", "/users/"])
def test_router(prefix: str) -> None:
    users = router(prefix=prefix, tags=["users", Tag(name="people")])

    @users.get("")
    def everybody() -> list[str]:
        return ["Ada"]

    @users.get("/<int:id>")
    def one(path: Path) -> str:
        return flask.url_for(".everybody")

    api = create_api("T", "/api")
    api.register_api(users)
    client = api.test_client()
    description = client.get("/openapi.json").get_json()

    assert client.get("/users").get_json() == ["Ada"]
    assert client.get("/users/1").text == "/users"
    assert set(description["paths"]) == {"/users", "/users/{id}"}
    operation = description["paths"]["/users"]["get"]
    assert sorted(operation["tags"]) == ["people", "users"]
    assert "Problem" in str(operation["responses"]["422"])


def test_two_in_a_module() -> None:
    routers = [router(prefix="/same"), router(prefix="/same"), router(), router(name="own")]

    assert len({r.name for r in routers}) == 4
    assert "test_routers" in routers[0].name
    assert routers[3].name == "own"


def test_include() -> None:
    """As FastAPI calls it; also below one another."""
    outer, inner = router(prefix="/outer"), router(prefix="/inner")
    inner.add_url_rule("/x", "x", lambda: "here")
    outer.include_router(inner)
    api = create_api("T", "/api")
    t.cast(t.Any, api).include_router(outer, prefix="/v1")

    assert api.test_client().get("/v1/outer/inner/x").text == "here"


@pytest.mark.parametrize("prefix", ["/x", ""])
def test_include_in_two_applications(prefix: str) -> None:
    """As applications do that tests make anew each time."""
    views = router(prefix=prefix)

    @views.get("/y")
    def view() -> str:
        return "here"

    for _ in range(2):
        api: t.Any = create_api("T", "/api")
        api.include_router(views, prefix="/v1")
        client = api.test_client()
        assert client.get(f"/v1{prefix}/y").text == "here"
        assert list(client.get("/openapi.json").get_json()["paths"]) == [f"/v1{prefix}/y"]


def test_include_twice() -> None:
    views = router(name="views")
    api: t.Any = create_api("T", "/api")
    api.include_router(views, prefix="/v1")
    with pytest.raises(ApiError, match="there is a router named 'views' already"):
        api.include_router(views, prefix="/v2")


def test_include_something_else() -> None:
    api: t.Any = create_api("T", "/api")
    with pytest.raises(ApiError, match=r"expected what fluxsync\.api\.router"):
        api.include_router(object())
    with pytest.raises(ApiError, match=r"give them to router\(tags="):
        api.include_router(router(), tags=["x"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix": "users"}, "prefix='users': expected a path"),
        ({"prefix": None}, "prefix=None: expected a path"),
        ({"prefix": "/a b"}, "prefix='/a b'"),
        ({"prefix": "//a"}, "prefix='//a'"),
        ({"prefix": "/a?b"}, r"prefix='/a\?b'"),
        ({"tags": "users"}, "tags='users': expected a list"),
        ({"tags": [1]}, "tags: expected names, got 1"),
        ({"name": "a.b"}, "name='a.b': expected a name without dots"),
        ({"name": ""}, "name=''"),
    ],
)
def test_wrong(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ApiError, match=f"^router {message}"):
        router(**options)
