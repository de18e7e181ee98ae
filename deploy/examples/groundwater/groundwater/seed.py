"""Fill an empty database with twelve wells and ten years of made-up readings.

python -m groundwater.seed
"""

from __future__ import annotations

import math
import random
import sys
from datetime import date, timedelta

import sqlalchemy as sa

from . import database
from .models import Reading, Well

WELLS = (
    *("Abbey Farm", "Birch Lane", "Castle Hill", "Dairy Yard", "East Common", "Ford House"),
    *("Gravel Pit", "Heath Cottage", "Ivy Bridge", "Jubilee Park", "Kiln Field", "Long Meadow"),
)
FIRST, WEEKS = date(2016, 1, 4), 520


def main() -> None:
    database.create_schema()
    with database.session(writes=True) as session:
        if session.scalar(sa.select(sa.func.count()).select_from(Well)):
            sys.exit("There are wells already: nothing was changed.")
        for n, name in enumerate(WELLS):
            well = Well(name=name)
            session.add(well)
            session.flush()
            session.execute(sa.insert(Reading), readings(well.id, random.Random(n)))
    print(f"{len(WELLS)} wells with {WEEKS // 2} readings each.")


def readings(well_id: int, chance: random.Random) -> list[dict[str, object]]:
    """Make up a well's readings: a season, a trend, and what the weather adds."""
    level, slope = chance.uniform(60, 110), chance.uniform(-0.15, 0.05)
    swing, weather = chance.uniform(0.4, 1.6), 0.0
    made: list[dict[str, object]] = []
    for week in range(0, WEEKS, 2):
        years = week / 52.18
        weather = 0.9 * weather + chance.gauss(0, 0.08)
        depth = level + slope * years + swing * math.cos(2 * math.pi * (years - 0.2)) + weather
        made.append(
            {
                "well_id": well_id,
                "taken_on": FIRST + timedelta(weeks=week),
                "level_m": round(depth, 2),
                "note": "",
                "changed_by": "seed",
                "version": 1,
            }
        )
    return made


if __name__ == "__main__":
    main()
