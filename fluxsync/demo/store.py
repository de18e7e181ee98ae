"""What can be asked of the demo's database and what can be written to it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime, timezone
from pathlib import Path

from .database import connection, database_path
from .models import Day, Hour, NewSighting, Period, Point, Sighting, Station, Summary

SIGHTINGS_KEPT = 500
"""Anybody may write to a demo, so the oldest sightings go when there are more."""

_STATIONS = """
SELECT id, name, description, sum(bicycles) AS bicycles
FROM station JOIN count ON station = id
GROUP BY id
ORDER BY bicycles DESC
"""

_DAYS = """
SELECT day, sum(bicycles) AS bicycles, temperature_celsius, rain_mm
FROM count JOIN day USING (day)
WHERE :day IS NULL OR day = :day
GROUP BY day
ORDER BY bicycles
"""

# An average, because the sum of the incomplete weeks at both ends would look like a collapse.
# For weeks: on to Sunday, unless it's one, then back to Monday.
_COUNTS = """
SELECT
    station,
    CASE :per
        WHEN 'day' THEN day
        WHEN 'week' THEN date(day, 'weekday 0', '-6 days')
        WHEN 'month' THEN date(day, 'start of month')
    END AS start,
    round(1.0 * sum(bicycles) / count(DISTINCT day), 1) AS bicycles_per_day
FROM count
WHERE day BETWEEN :since AND :until
    AND (:stations = '[]' OR station IN (SELECT value FROM json_each(:stations)))
GROUP BY station, start
ORDER BY station, start
"""

_HOURS = """
SELECT
    hour,
    round(avg(CASE WHEN NOT is_weekend THEN bicycles END), 1) AS working_day,
    round(avg(CASE WHEN is_weekend THEN bicycles END), 1) AS weekend
FROM (
    SELECT hour, strftime('%w', day) IN ('0', '6') AS is_weekend, sum(bicycles) AS bicycles
    FROM count
    WHERE :stations = '[]' OR station IN (SELECT value FROM json_each(:stations))
    GROUP BY day, hour
)
GROUP BY hour
ORDER BY hour
"""


class UnknownStation(LookupError):
    """There's no station with this id."""


class Store:
    """The data of the demo; any thread of any process may ask.

    :param path: The database file. It's made, with its data, by the first call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def from_environment(cls) -> Store:
        """Return the store of this process, which the environment may place elsewhere."""
        return cls(database_path())

    def stations(self) -> list[Station]:
        """Return all stations, the busiest first."""
        with connection(self._path) as database:
            return [Station(**row) for row in database.execute(_STATIONS)]

    def station(self, station: str) -> Station:
        """Return one station.

        :raise UnknownStation: There's none with this id.
        """
        for found in self.stations():
            if found.id == station:
                return found
        raise UnknownStation(station)

    def day(self, day: date) -> Day | None:
        """Return one day, or ``None`` outside the year."""
        with connection(self._path) as database:
            row = database.execute(_DAYS, {"day": day.isoformat()}).fetchone()
        return Day(**row) if row else None

    def summary(self) -> Summary:
        """Return the year in a few numbers."""
        with connection(self._path) as database:
            days = [Day(**row) for row in database.execute(_DAYS, {"day": None})]
        return Summary(
            bicycles=sum(day.bicycles for day in days), busiest=days[-1], quietest=days[0]
        )

    def counts(self, per: Period, stations: Sequence[str], since: date, until: date) -> list[Point]:
        """Return the average day of each period, by station and time.

        :param stations: Ids; none means all, and unknown ones have counted nothing.
        :param since: The first day.
        :param until: The last day.
        """
        parameters = {
            "per": per.value,
            "stations": json.dumps(list(stations)),
            "since": since.isoformat(),
            "until": until.isoformat(),
        }
        with connection(self._path) as database:
            return [Point(**row) for row in database.execute(_COUNTS, parameters)]

    def hours(self, stations: Sequence[str]) -> list[Hour]:
        """Return the course of an average day, all the given stations together.

        :param stations: As in :meth:`counts`.
        """
        with connection(self._path) as database:
            rows = database.execute(_HOURS, {"stations": json.dumps(list(stations))})
            return [Hour(**row) for row in rows]

    def sightings(self, limit: int) -> tuple[int, list[Sighting]]:
        """Return how many sightings there are, and the latest of them, newest first."""
        with connection(self._path) as database:
            (total,) = database.execute("SELECT count(*) FROM sighting").fetchone()
            rows = database.execute("SELECT * FROM sighting ORDER BY id DESC LIMIT ?", (limit,))
            return total, [Sighting(**row) for row in rows]

    def add_sighting(self, new: NewSighting, now: datetime) -> Sighting:
        """Keep a sighting, and forget the oldest when there are too many.

        :raise UnknownStation: It was seen at a station that there isn't.
        """
        sighting = {
            **new.model_dump(mode="json"),
            "seen_at": now.astimezone(timezone.utc).isoformat(timespec="seconds"),
        }
        try:
            with connection(self._path) as database:
                added = database.execute(
                    "INSERT INTO sighting (author, station, kind, note, seen_at)"
                    " VALUES (:author, :station, :kind, :note, :seen_at)",
                    sighting,
                ).lastrowid
                assert added is not None
                database.execute("DELETE FROM sighting WHERE id <= ?", (added - SIGHTINGS_KEPT,))
        except sqlite3.IntegrityError as e:
            raise UnknownStation(new.station) from e
        return Sighting(id=added, **sighting)
