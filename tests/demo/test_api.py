from __future__ import annotations

import typing as t

import pytest

from fluxsync.demo.app import app

if t.TYPE_CHECKING:
    from flask.testing import FlaskClient

SIGHTING = {
    "author": " Ada ",
    "station": "canal-path",
    "kind": "tandem",
    "note": "A dog in the second seat",
}


def test_stations(api: FlaskClient) -> None:
    stations = api.get("/stations").get_json()["stations"]

    assert stations[0]["id"] == "harbour-bridge"
    assert stations[0].keys() == {"id", "name", "description", "bicycles"}


def test_station(api: FlaskClient) -> None:
    assert api.get("/stations/lake-shore").get_json()["name"] == "Lake Shore"


def test_unknown_station(api: FlaskClient) -> None:
    response = api.get("/stations/atlantis")

    assert response.status_code == 404
    assert "atlantis" in response.text


def test_summary(api: FlaskClient) -> None:
    assert api.get("/summary").get_json()["busiest"]["day"] == "2025-06-15"


def test_day(api: FlaskClient) -> None:
    assert api.get("/days/2025-06-15").get_json() == api.get("/summary").get_json()["busiest"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/days/2026-01-01", 404, id="day outside the year"),
        pytest.param("/days/today", 422, id="no day"),
        pytest.param("/counts?per=century", 422, id="unknown period"),
        pytest.param("/counts?since=yesterday", 422, id="no date"),
        pytest.param("/sightings?limit=0", 422, id="limit too small"),
        pytest.param("/sightings?limit=101", 422, id="limit too large"),
    ],
)
def test_refused(api: FlaskClient, path: str, status: int) -> None:
    assert api.get(path).status_code == status


def test_counts_of_some_stations(api: FlaskClient) -> None:
    answer = api.get(
        "/counts?per=month&station=university&station=lake-shore&since=2025-03-01&until=2025-04-30"
    ).get_json()

    assert answer["per"] == "month"
    assert [(point["station"], point["start"]) for point in answer["counts"]] == [
        ("lake-shore", "2025-03-01"),
        ("lake-shore", "2025-04-01"),
        ("university", "2025-03-01"),
        ("university", "2025-04-01"),
    ]


def test_counts_per_week_of_all_stations_by_default(api: FlaskClient) -> None:
    answer = api.get("/counts").get_json()

    assert answer["per"] == "week"
    assert len(answer["counts"]) == 4 * 53


def test_hours(api: FlaskClient) -> None:
    hours = api.get("/hours?station=harbour-bridge").get_json()["hours"]

    assert max(hours, key=lambda hour: hour["working_day"])["hour"] == 17


def test_sighting_is_sent_and_listed(api: FlaskClient) -> None:
    total = api.get("/sightings").get_json()["total"]

    response = api.post("/sightings", json=SIGHTING)

    sent = response.get_json()
    assert response.status_code == 201
    assert sent["author"] == "Ada"
    assert api.get("/sightings?limit=1").get_json() == {"total": total + 1, "sightings": [sent]}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"author": " "}, "author", id="blank author"),
        pytest.param({"note": "no"}, "note", id="note too short"),
        pytest.param({"note": "x" * 201}, "note", id="note too long"),
        pytest.param({"kind": "car"}, "kind", id="unknown kind"),
        pytest.param({"station": "atlantis"}, "atlantis", id="unknown station"),
    ],
)
def test_sighting_is_refused(api: FlaskClient, change: dict[str, str], complaint: str) -> None:
    total = api.get("/sightings").get_json()["total"]

    response = api.post("/sightings", json=SIGHTING | change)

    assert response.status_code == 422
    assert complaint in response.text
    assert api.get("/sightings").get_json()["total"] == total


def test_request_shows_what_arrived_without_credentials(api: FlaskClient) -> None:
    received = api.get(
        "/request",
        base_url="http://demo.test/mounted",
        headers={"X-Request-Id": "abc", "Cookie": "a=b", "Authorization": "Bearer c"},
    ).get_json()

    assert received["method"] == "GET"
    assert received["root_path"] == "/mounted"
    assert received["path"] == "/request"
    assert received["request_id"] == "abc"
    assert not received["headers"].keys() & {"Cookie", "Authorization"}


def test_every_operation_is_described() -> None:
    """The documentation pages are part of the demo."""
    operations = [
        operation
        for path in app.api.api_doc["paths"].values()
        for operation in path.values()
        if "demo" in operation["operationId"]
    ]

    assert len(operations) == 9
    for operation in operations:
        assert operation["summary"].endswith(".")
        assert operation["tags"]
        assert any(status.startswith("2") for status in operation["responses"])
