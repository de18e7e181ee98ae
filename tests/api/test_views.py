"""Views that take parts of the path as Flask's do, and those that nobody could call."""

from __future__ import annotations

import typing as t
import uuid

import pydantic
import pytest

from fluxsync.api import router
from fluxsync.api.application import Api, create_api
from fluxsync.exceptions import ApiError


class Query(pydantic.BaseModel):
    n: int = 2


class Path(pydantic.BaseModel):
    id: int


@pytest.fixture
def api() -> Api:
    return create_api("Test", "/api")


def typed(id: int) -> list[t.Any]:
    return [id]


def untyped(id):  # type: ignore[no-untyped-def] # as most of Flask's
    return [id, type(id).__name__]


def both(id: str, query: Query) -> list[t.Any]:
    return [id, query.n]


def model(path: Path) -> list[t.Any]:
    return [path.id]


def called_path(path: str) -> list[t.Any]:
    return [path]


def with_default(id, page=1):  # type: ignore[no-untyped-def] # for another rule of Flask's
    return [id, page]


@pytest.mark.parametrize(
    ("rule", "view", "path", "expected"),
    [
        pytest.param("/<int:id>", typed, "/3", [3], id="typed"),
        pytest.param("/<id>", typed, "/3", [3], id="converted by its type"),
        pytest.param("/<int:id>", untyped, "/3", [3, "int"], id="by the converter"),
        pytest.param("/<uuid:id>", untyped, f"/{uuid.UUID(int=1)}", None, id="uuid"),
        pytest.param("/<any(a,b):id>", untyped, "/b", ["b", "str"], id="converter with arguments"),
        pytest.param("/<id>", both, "/x?n=7", ["x", 7], id="and a model"),
        pytest.param("/<int:id>", model, "/3", [3], id="model"),
        pytest.param("/<path:path>", called_path, "/a/b", ["a/b"], id="with the model's name"),
        pytest.param("/<id>", with_default, "/x", ["x", 1], id="and a default"),
    ],
)
def test_parts_of_the_path(
    api: Api, rule: str, view: t.Callable[..., t.Any], path: str, expected: list[t.Any] | None
) -> None:
    api.get(rule)(view)

    response = api.test_client().get(path)

    assert response.status_code == 200
    assert expected is None or response.json == expected
    (operations,) = api.api_doc["paths"].values()
    assert operations["get"]["parameters"][0]["in"] == "path"


def test_several_methods(api: Api) -> None:
    def view(id: int) -> list[t.Any]:
        return [id]

    api.get("/<int:id>")(api.delete("/<int:id>")(view))

    assert api.test_client().get("/3").json == api.test_client().delete("/3").json == [3]


def test_prefix_with_a_part(api: Api) -> None:
    shops = router(prefix="/shops/<int:shop>")

    @shops.get("/<item>")
    def item(shop: int, item: str) -> list[t.Any]:
        return [shop, item]

    api.register_api(shops)

    assert api.test_client().get("/shops/3/tea").json == [3, "tea"]


def test_part_of_the_wrong_type(api: Api) -> None:
    api.get("/<id>")(typed)

    response = api.test_client().get("/x")

    assert response.status_code == 422
    assert (response.json or {})["detail"].startswith("id: ")


def asks_for_query(q: str = "x") -> str:
    return q


def asks_for_body(item: Path) -> str:
    return str(item)


def plain_body(body: dict[str, str]) -> str:
    return str(body)


def no_such_part(id, other):  # type: ignore[no-untyped-def]
    return [id, other]


def two_ways(path: Path, id: int) -> str:
    return f"{path} {id}"


def unknown(id: Nowhere) -> str:  # type: ignore[name-defined] # noqa: F821
    return str(id)


@pytest.mark.parametrize(
    ("rule", "view", "complaint"),
    [
        pytest.param("/{id}", typed, "path '/{id}': write <id> or <int:id> for {id}", id="braces"),
        pytest.param("/", asks_for_query, "takes 'q', which nobody fills", id="as FastAPI's query"),
        pytest.param("/", asks_for_body, "takes 'item', which nobody fills", id="and body"),
        pytest.param("/", plain_body, "takes 'body' as dict: expected a pydantic model", id="dict"),
        pytest.param("/<id>", no_such_part, "'other', which nobody fills: make it a part", id="no"),
        pytest.param("/<int:id>", two_ways, "takes 'path' and 'id': choose one way", id="two ways"),
        pytest.param("/<id>", unknown, "(name 'Nowhere' is not defined)", id="annotation"),
    ],
)
def test_refused(api: Api, rule: str, view: t.Callable[..., t.Any], complaint: str) -> None:
    with pytest.raises(ApiError) as caught:
        api.get(rule)(view)

    assert complaint in str(caught.value)
