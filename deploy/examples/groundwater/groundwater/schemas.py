"""What goes into the API and what comes out of it; OpenAPI describes these classes.

Each text and number is bounded by what both databases can keep.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import Self

from .models import JobState, Role

FIRST_DAY = date(1900, 1, 1)


def _not_in_future(day: date) -> date:
    # Somebody's today begins up to 14 hours before ours.
    if not FIRST_DAY <= day <= (datetime.now(timezone.utc) + timedelta(hours=14)).date():
        raise ValueError(f"must be between {FIRST_DAY} and today")
    return day


PRINTABLE = r"^[^\x00-\x1f\x7f]*$"  # PostgreSQL keeps no NUL, and tables no line breaks
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
Day = Annotated[date, AfterValidator(_not_in_future)]
Level = Annotated[float, Field(ge=-500, le=9000)]  # neither NaN nor infinite then
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=PRINTABLE)]
WellName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=PRINTABLE)
]
UserName = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Password = Annotated[str, StringConstraints(min_length=12, max_length=200)]


class FromRow(BaseModel):
    """Made of a row of a table."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, row: object) -> Self:
        return cls.model_validate(row)

    @classmethod
    def all_of(cls, rows: Iterable[object]) -> list[Self]:
        return [cls.of(row) for row in rows]


class Login(BaseModel):
    name: str = Field(max_length=100, pattern=PRINTABLE)
    password: str = Field(max_length=200)


class Me(FromRow):
    """Who is asking."""

    name: str
    role: Role


class Session(Me):
    """Who has logged in, and what to send as ``Authorization: Bearer ...``."""

    token: str


class NewUser(BaseModel):
    name: UserName
    password: Password
    role: Role


class UserChange(BaseModel):
    """What to change; what's left out stays."""

    role: Role | None = None
    is_active: bool | None = None
    password: Password | None = None


class UserOut(FromRow):
    id: int
    name: str
    role: Role
    is_active: bool


class ById(BaseModel):
    id: Id


class NewWell(BaseModel):
    name: WellName


class WellOut(FromRow):
    id: int
    name: str


class NewReading(BaseModel):
    well_id: Id
    taken_on: Day
    level_m: Level
    note: Note = ""


class ReadingChange(BaseModel):
    """New values, and the version that they replace."""

    level_m: Level
    note: Note
    version: Id


class ReadingVersion(BaseModel):
    version: Id


class ReadingOut(FromRow):
    id: int
    well: WellOut
    taken_on: date
    level_m: float
    note: str
    changed_by: str
    version: int


class Selection(BaseModel):
    """Which readings; no well means all of them."""

    well: list[Id] = Field([], max_length=100)
    since: date | None = None
    until: date | None = None


class ReadingsQuery(Selection):
    limit: int = Field(50, ge=1, le=500)


class MonthLevel(BaseModel):
    """The average level of a well in a month."""

    month: date
    well: str
    level_m: float


class Imported(BaseModel):
    rows: int


class NewJob(BaseModel):
    """How thoroughly to compute: more resamples take longer, and give steadier ranges."""

    resamples: int = Field(1000, ge=10, le=50_000)


class JobOut(FromRow):
    id: int
    state: JobState
    done: int
    total: int
    message: str
    started_by: str
    started_at: datetime


class TrendOut(FromRow):
    well: WellOut
    slope: float
    low: float
    high: float
    readings: int
