"""What goes into the demo API and what comes out of it; OpenAPI describes these classes.

Examples are given as ``json_schema_extra`` because flask-openapi3 has no use for pydantic's own.
"""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from .dataset import FIRST_DAY, LAST_DAY


class Station(BaseModel):
    """A counter at the roadside."""

    id: str = Field(json_schema_extra={"example": "harbour-bridge"})
    name: str = Field(json_schema_extra={"example": "Harbour Bridge"})
    description: str
    bicycles: int = Field(description="Bicycles counted in the whole year")


class Stations(BaseModel):
    """All stations, the busiest first."""

    stations: list[Station]


class StationPath(BaseModel):
    """The part of the path that names a station."""

    station: str = Field(
        description="The station's id", json_schema_extra={"example": "harbour-bridge"}
    )


class Day(BaseModel):
    """One day of the year: its weather, and the bicycles of all stations together."""

    day: date
    bicycles: int
    temperature_celsius: float
    rain_mm: float


class DayPath(BaseModel):
    """The part of the path that names a day."""

    day: date = Field(
        description=f"From {FIRST_DAY} to {LAST_DAY}", json_schema_extra={"example": "2025-06-15"}
    )


class Summary(BaseModel):
    """The year in a few numbers."""

    bicycles: int = Field(description="Bicycles counted at all stations")
    busiest: Day
    quietest: Day


class Period(str, enum.Enum):
    """How long a point of a chart lasts."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class CountsQuery(BaseModel):
    """Which counts to return, and how finely."""

    per: Period = Period.WEEK
    station: list[str] = Field([], description="Ids of stations, repeated; none means all")
    since: date = Field(FIRST_DAY, description="The first day")
    until: date = Field(LAST_DAY, description="The last day")


class Point(BaseModel):
    """The average day of one period at one station."""

    start: date = Field(description="First day of the period; weeks start on Monday")
    station: str
    bicycles_per_day: float


class Counts(BaseModel):
    """The points of a line for each station."""

    per: Period
    counts: list[Point]


class HoursQuery(BaseModel):
    """Which stations to look at."""

    station: list[str] = Field([], description="Ids of stations, repeated; none means all")


class Hour(BaseModel):
    """What passes in one hour of an average working day, and of one at the weekend."""

    hour: int = Field(ge=0, le=23, description="The hour's beginning, on a clock of 24 hours")
    working_day: float
    weekend: float


class Hours(BaseModel):
    """The course of a day."""

    hours: list[Hour]


class Kind(str, enum.Enum):
    """What can be seen on a cycle path."""

    CARGO_BIKE = "cargo bike"
    TANDEM = "tandem"
    RECUMBENT = "recumbent"
    PENNY_FARTHING = "penny-farthing"
    UNICYCLE = "unicycle"
    SOMETHING_ELSE = "something else"


Author = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


class NewSighting(BaseModel):
    """What somebody saw at a station, as it is sent."""

    author: Author = Field(json_schema_extra={"example": "Ada"})
    station: str = Field(json_schema_extra={"example": "canal-path"})
    kind: Kind
    note: Note = Field(json_schema_extra={"example": "A dog in the second seat"})


class Sighting(NewSighting):
    """What somebody saw at a station, as it is kept."""

    id: int
    seen_at: datetime = Field(description="When it was sent, in UTC")


class SightingsQuery(BaseModel):
    """How many sightings to return."""

    limit: int = Field(10, ge=1, le=100)


class Sightings(BaseModel):
    """The latest sightings, newest first, and how many there are."""

    total: int
    sightings: list[Sighting]


class Received(BaseModel):
    """A request as it came out of the gateway."""

    method: str
    root_path: str = Field(description="Where the API is mounted, as the browser sees it")
    root_path_rule: str = Field(description="What said so: a setting, variable or header field")
    path: str = Field(description="The path below the root path")
    client_address: str | None
    request_id: str | None
    headers: dict[str, str] = Field(description="Cookies and credentials are left out")
