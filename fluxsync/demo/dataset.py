"""The year 2025 in Brightwater, a town that doesn't exist: weather and bicycles by the hour.

Every number follows from the seed, so two machines show the same charts and screenshots can be
compared. The shapes are those of real counters: commuters ride at eight and at five, others on
Sunday afternoon, and few in the rain. No I/O.
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

SEED = "brightwater"
FIRST_DAY = date(2025, 1, 1)
LAST_DAY = date(2025, 12, 31)

# Two events that can be found in the charts: a bridge is repaired, and its riders take the
# canal; one Sunday belongs to bicycles.
REPAIR = (date(2025, 9, 1), date(2025, 9, 14))
CAR_FREE_SUNDAY = date(2025, 6, 15)


class Rhythm(enum.Enum):
    """When people pass: bumps of riders over the day, as (hour, width in hours, weight)."""

    COMMUTE = ((8.0, 0.9, 1.0), (17.2, 1.4, 1.1), (13.0, 3.5, 0.35))
    STUDY = ((9.2, 1.1, 1.0), (13.0, 2.2, 0.6), (18.0, 2.4, 0.8))
    LEISURE = ((11.0, 2.0, 0.5), (15.5, 2.4, 1.0))

    def share(self, hour: int) -> float:
        """Return the part of a day's riders that passes in this hour."""
        return self._weight(hour) / sum(self._weight(h) for h in range(24))

    def _weight(self, hour: int) -> float:
        bumps: tuple[tuple[float, float, float], ...] = self.value
        middle = hour + 0.5
        return 0.004 + sum(
            weight * math.exp(-(((middle - at) / width) ** 2) / 2) for at, width, weight in bumps
        )


@dataclass(frozen=True)
class Site:
    """A counter at the roadside, and what is typical of it.

    :param riders: Bicycles on a fine working day in June.
    :param weekend: The same on a weekend, as a factor.
    :param rhythm: The course of a working day; weekends are leisure everywhere.
    """

    station: str
    name: str
    description: str
    riders: int
    weekend: float
    rhythm: Rhythm


class Day(NamedTuple):
    """The weather of one day, the same at all stations."""

    day: date
    temperature_celsius: float
    rain_mm: float


class Count(NamedTuple):
    """The bicycles that passed a station within one hour; ``hour`` is that of its beginning."""

    station: str
    day: date
    hour: int
    bicycles: int


SITES = (
    Site(
        "harbour-bridge",
        "Harbour Bridge",
        "The way to work, from the old town to the docks",
        4200,
        0.45,
        Rhythm.COMMUTE,
    ),
    Site(
        "canal-path",
        "Canal Path",
        "The quiet way to work, along the water",
        2300,
        0.95,
        Rhythm.COMMUTE,
    ),
    Site(
        "university",
        "University",
        "In front of the library, where nobody is early",
        3100,
        0.35,
        Rhythm.STUDY,
    ),
    Site(
        "lake-shore",
        "Lake Shore",
        "Ice cream in summer, nobody in January",
        1500,
        2.3,
        Rhythm.LEISURE,
    ),
)

# (author, station, kind, note, time), the oldest first: a guestbook that isn't empty.
SIGHTINGS = (
    (
        "Mona",
        "lake-shore",
        "penny-farthing",
        "Overtook me. Uphill.",
        "2025-12-26T14:05:00+00:00",
    ),
    (
        "Jonas",
        "university",
        "unicycle",
        "Late for the lecture on stability",
        "2025-12-29T09:21:00+00:00",
    ),
    (
        "Ada",
        "canal-path",
        "tandem",
        "The second seat was taken by a dog with goggles",
        "2025-12-30T16:48:00+00:00",
    ),
    (
        "Ravi",
        "harbour-bridge",
        "cargo bike",
        "One sofa, two people sitting on it",
        "2025-12-31T17:32:00+00:00",
    ),
)


def days() -> Iterator[Day]:
    """Yield the days of the year in order."""
    chance = random.Random(f"{SEED} weather")  # noqa: S311 - no secret
    warmer = 0.0
    raining = False
    day = FIRST_DAY
    while day <= LAST_DAY:
        season = -math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)
        warmer = 0.75 * warmer + chance.gauss(0, 2.2)  # a warm day follows a warm day
        raining = chance.random() < (0.55 if raining else 0.27)
        rain = round(chance.expovariate(1 / 5.5) + 0.2, 1) if raining else 0.0
        yield Day(day, round(11.0 + 8.5 * season + warmer - (1.5 if raining else 0.0), 1), rain)
        day += timedelta(days=1)


def counts(year: list[Day]) -> Iterator[Count]:
    """Yield what each station counted in each hour of the given days."""
    for site in SITES:
        chance = random.Random(f"{SEED} {site.station}")  # noqa: S311 - no secret
        shares = {
            rhythm: [rhythm.share(hour) for hour in range(24)]
            for rhythm in (site.rhythm, Rhythm.LEISURE)
        }
        for day in year:
            riders = _riders(site, day) * chance.gauss(1, 0.07)
            rhythm = Rhythm.LEISURE if is_weekend(day.day) else site.rhythm
            for hour, share in enumerate(shares[rhythm]):
                expected = max(0.0, riders * share)
                noise = chance.gauss(0, math.sqrt(expected))
                yield Count(site.station, day.day, hour, max(0, round(expected + noise)))


def is_weekend(day: date) -> bool:
    """Tell Saturdays and Sundays from working days."""
    return day.weekday() >= 5


def _riders(site: Site, day: Day) -> float:
    """Return how many riders one would expect at a station on a day like this."""
    leisure = site.rhythm is Rhythm.LEISURE
    warmth = 1 / (1 + math.exp(-(day.temperature_celsius - 9) / (3.5 if leisure else 5.5)))
    wetness = math.exp(-day.rain_mm / (5 if leisure else 14))
    riders = site.riders * (0.1 + 0.9 * warmth) * (0.25 + 0.75 * wetness)
    if is_weekend(day.day):
        riders *= site.weekend
    elif site.rhythm is Rhythm.STUDY and day.day.month in (8, 9):
        riders *= 0.4  # between two terms
    if REPAIR[0] <= day.day <= REPAIR[1]:
        riders *= {"harbour-bridge": 0.0, "canal-path": 2.1}.get(site.station, 1.0)
    if day.day == CAR_FREE_SUNDAY:
        riders *= 2.6
    return riders
