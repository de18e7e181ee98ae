"""The demo's HTTP API: typed paths, queries and bodies, which OpenAPI describes.

The first line of an endpoint's docstring is its summary in the documentation.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from flask import abort, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from fluxsync.api import Problem

from . import models
from .store import Store, UnknownStation

COUNTERS = Tag(name="Counters", description="Bicycles counted in Brightwater in 2025")
SIGHTINGS = Tag(name="Sightings", description="What people saw on the cycle paths")
GATEWAY = Tag(name="Gateway", description="What reaches the API through the gateway")

# Not even to those who sent them: what's on a page ends in screenshots and bug reports.
SECRET_HEADERS = frozenset({"Authorization", "Cookie", "Proxy-Authorization"})

api = APIBlueprint("demo", __name__)


@api.get("/stations", tags=[COUNTERS], responses={200: models.Stations})
def list_stations() -> dict[str, Any]:
    """List the stations, the busiest first."""
    stations = Store.from_environment().stations()
    return models.Stations(stations=stations).model_dump(mode="json")


@api.get("/stations/<station>", tags=[COUNTERS], responses={200: models.Station, 404: Problem})
def get_station(path: models.StationPath) -> dict[str, Any]:
    """Describe one station."""
    try:
        return Store.from_environment().station(path.station).model_dump(mode="json")
    except UnknownStation:
        abort(404, f"There is no station {path.station!r}.")


@api.get("/summary", tags=[COUNTERS], responses={200: models.Summary})
def get_summary() -> dict[str, Any]:
    """Sum up the year."""
    return Store.from_environment().summary().model_dump(mode="json")


@api.get("/days/<day>", tags=[COUNTERS], responses={200: models.Day, 404: Problem})
def get_day(path: models.DayPath) -> dict[str, Any]:
    """Describe one day: its weather and its bicycles."""
    day = Store.from_environment().day(path.day)
    if day is None:
        abort(404, f"Nothing was counted on {path.day}.")
    return day.model_dump(mode="json")


@api.get("/counts", tags=[COUNTERS], responses={200: models.Counts})
def list_counts(query: models.CountsQuery) -> dict[str, Any]:
    """Return the average day of each week, month or single day, by station."""
    points = Store.from_environment().counts(query.per, query.station, query.since, query.until)
    return models.Counts(per=query.per, counts=points).model_dump(mode="json")


@api.get("/hours", tags=[COUNTERS], responses={200: models.Hours})
def list_hours(query: models.HoursQuery) -> dict[str, Any]:
    """Return the course of an average day."""
    hours = Store.from_environment().hours(query.station)
    return models.Hours(hours=hours).model_dump(mode="json")


@api.get("/sightings", tags=[SIGHTINGS], responses={200: models.Sightings})
def list_sightings(query: models.SightingsQuery) -> dict[str, Any]:
    """List the latest sightings, newest first."""
    total, sightings = Store.from_environment().sightings(query.limit)
    return models.Sightings(total=total, sightings=sightings).model_dump(mode="json")


@api.post("/sightings", tags=[SIGHTINGS], responses={201: models.Sighting})
def add_sighting(body: models.NewSighting) -> tuple[dict[str, Any], int]:
    """Tell what you saw."""
    try:
        sighting = Store.from_environment().add_sighting(body, datetime.now(timezone.utc))
    except UnknownStation:
        abort(422, f"There is no station {body.station!r}.")
    return sighting.model_dump(mode="json"), 201


@api.get("/request", tags=[GATEWAY], responses={200: models.Received})
def get_request() -> dict[str, Any]:
    """Show this very request as it came out of the gateway."""
    rule = request.environ.get("fluxsync.root_path")
    return models.Received(
        method=request.method,
        root_path=request.root_path,
        root_path_rule=rule.rule if rule else "",
        path=request.path,
        client_address=request.remote_addr,
        request_id=request.headers.get("X-Request-Id"),
        headers={
            name: value for name, value in request.headers.items() if name not in SECRET_HEADERS
        },
    ).model_dump(mode="json")
