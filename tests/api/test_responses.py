from __future__ import annotations

import dataclasses
import datetime
import typing as t

import flask
import pydantic
import pytest
from flask.testing import FlaskClient

from fluxsync.api.application import create_api
from fluxsync.exceptions import ApiError


class Ride(pydantic.BaseModel):
    begins: datetime.datetime = datetime.datetime(2024, 5, 1, 12)
    length: float = pydantic.Field(default=float("nan"), serialization_alias="km")


@dataclasses.dataclass
class Day:
    day: datetime.date = datetime.date(2024, 5, 1)


RIDE = {"begins": "2024-05-01T12:00:00", "km": None}
DAY = {"day": "2024-05-01"}


@pytest.mark.parametrize(
    ("returned", "status", "expected"),
    [
        pytest.param(lambda: Ride(), 200, RIDE, id="model"),
        pytest.param(lambda: Day(), 200, DAY, id="dataclass"),
        pytest.param(lambda: [Ride(), Ride()], 200, [RIDE, RIDE], id="list"),
        pytest.param(lambda: (Ride(), Ride()), 200, [RIDE, RIDE], id="tuple of two"),
        pytest.param(lambda: (Day(),), 200, [DAY], id="tuple of one"),
        pytest.param(lambda: (Ride(), 201), 201, RIDE, id="status"),
        pytest.param(lambda: (Ride(), 201, {"X-A": "b"}), 201, RIDE, id="headers"),
        pytest.param(lambda: ([Day()], {"X-A": "b"}), 200, [DAY], id="headers only"),
        pytest.param(lambda: {"items": [Ride()]}, 200, {"items": [RIDE]}, id="within"),
        pytest.param(
            lambda: {"a": Day(), "b": Day().day}, 200, {"a": DAY, "b": "2024-05-01"}, id="dates"
        ),
        pytest.param(lambda: flask.jsonify(Ride(), 1), 200, [RIDE, 1], id="jsonify"),
        pytest.param(lambda: ({"a": 1}, 202), 202, {"a": 1}, id="Flask's own"),
        pytest.param(lambda: [], 200, [], id="empty"),
    ],
)
def test_typed(returned: t.Callable[[], t.Any], status: int, expected: object) -> None:
    api = create_api("T", "/api")
    api.add_url_rule("/", "view", returned)
    response = api.test_client().get("/")

    assert response.status_code == status
    assert response.mimetype == "application/json"
    assert response.get_json() == expected


def test_text_stays_text() -> None:
    api = create_api("T", "/api")
    api.add_url_rule("/", "view", lambda: ("text", 203, [("X-A", "b")]))
    response = api.test_client().get("/")

    assert (response.text, response.status_code, response.headers["X-A"]) == ("text", 203, "b")


@pytest.fixture
def client() -> FlaskClient:
    api = create_api("T", "/api")

    @api.get("/rides", tags=["rides"])  # type: ignore[list-item] # names are known here
    def rides() -> list[Ride]:
        return [Ride()]

    @api.post("/rides", responses={201: Ride})
    def ride() -> t.Any:
        return Ride(), 201

    @api.get("/day")
    def day() -> Day:
        return Day()

    @api.get("/unknown")
    def unknown() -> str:
        return ""

    return api.test_client()


def test_description(client: FlaskClient) -> None:
    description = client.get("/openapi.json").get_json()
    paths, schemas = description["paths"], description["components"]["schemas"]

    def reference(path: str, method: str, status: str) -> str:
        content = paths[path][method]["responses"][status]["content"]
        return str(content["application/json"]["schema"]["$ref"]).rpartition("/")[2]

    assert reference("/rides", "post", "201") == "Ride"
    assert schemas[reference("/rides", "get", "200")]["type"] == "array"
    assert reference("/day", "get", "200") == "Day"
    assert "200" not in paths["/unknown"]["get"]["responses"]
    assert paths["/rides"]["get"]["tags"] == ["rides"]
    assert not [path for path in paths if "z" in path]
    assert None not in description["components"].values()


def test_flask_kwargs() -> None:
    from flask_openapi3.models.info import Info

    api = create_api(
        "Ours", "/api", {"info": Info(title="Theirs", version="7"), "static_url_path": "/files"}
    )
    description = api.test_client().get("/openapi.json").get_json()

    assert description["info"] == {"title": "Ours", "version": "7"}
    assert api.static_url_path == "/files"


def test_without_documentation() -> None:
    client = create_api("T", "/api", {"doc_ui": False}).test_client()

    assert client.get("/docs").status_code == 404
    assert client.get("/openapi.json").status_code == 404


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"static_foldr": "x"}, "'static_foldr' .* 'static_folder' perhaps"),
        ({"zzz": 1}, "'zzz' is no argument"),
        ({"servers": []}, "api_mount_path"),
        ({"info": "x"}, "info='x': expected"),
    ],
)
def test_wrong_flask_kwargs(options: dict[str, object], message: str) -> None:
    with pytest.raises(ApiError, match=f"^flask_kwargs: .*{message}"):
        create_api("T", "/api", options)


def test_flask_kwargs_that_are_none() -> None:
    wrong: t.Any = [1]
    with pytest.raises(ApiError, match=r"^flask_kwargs=\[1\]: expected a dictionary"):
        create_api("T", "/api", wrong)
