"""How fast levels change: the application's long computation."""

from __future__ import annotations

import random
import statistics

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import database
from ..jobs import Progress
from ..models import Reading, Trend, Well

DAYS_PER_YEAR = 365.25


def compute_trends(progress: Progress, resamples: int) -> None:
    """Compute all wells' trends, and replace the last result at the end."""
    with database.session() as session:
        wells = list(session.scalars(sa.select(Well.id).order_by(Well.name)))
    trends = []
    for n, well_id in enumerate(wells):
        progress.report(n, len(wells))
        with database.session() as session:
            query = sa.select(Reading.taken_on, Reading.level_m)
            rows = session.execute(query.where(Reading.well_id == well_id)).all()
        points = [(float(day.toordinal()), level) for day, level in rows]
        if len({day for day, _ in points}) < 3:
            continue  # a line through two points says nothing
        low, slope, high = trend(points, resamples, random.Random(well_id), progress)
        trends.append(Trend(well_id=well_id, slope=slope, low=low, high=high, readings=len(points)))

    def keep(session: Session) -> None:
        session.execute(sa.delete(Trend))
        session.add_all(trends)

    progress.finish(keep, f"{len(trends)} of {len(wells)} wells have enough readings.")


def trend(
    points: list[tuple[float, float]], resamples: int, chance: random.Random, progress: Progress
) -> tuple[float, float, float]:
    """Return the slope in millimetres per year, between the ends of its 90 % range (bootstrap).

    :param points: Day and level in metres; at least three days.
    """
    slopes = []
    for n in range(resamples):
        if n % 50 == 0:
            progress.renew()
        sample = chance.choices(points, k=len(points))
        if len({day for day, _ in sample}) > 1:
            slopes.append(_slope(sample))
    tenths = statistics.quantiles(slopes, n=20)
    return tenths[0], _slope(points), tenths[-1]


def _slope(points: list[tuple[float, float]]) -> float:
    days, levels = zip(*points, strict=True)
    return statistics.linear_regression(days, levels).slope * DAYS_PER_YEAR * 1000
