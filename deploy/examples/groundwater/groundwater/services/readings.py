"""Wells and their readings: what can be asked and what can be changed."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from .. import database
from ..errors import Conflict, NotThere
from ..models import Reading, Trend, Well
from ..schemas import MonthLevel, NewReading, ReadingChange, Selection

CHANGED = "Somebody has changed this reading since you opened it. Look at it again."


def wells() -> list[Well]:
    with database.session() as session:
        return list(session.scalars(sa.select(Well).order_by(Well.name)))


def add_well(name: str) -> Well:
    well = Well(name=name)
    try:
        with database.session(writes=True) as session:
            session.add(well)
    except sa.exc.IntegrityError:
        raise Conflict(f"There is a well {name!r} already.") from None
    return well


def _selected(query: sa.Select[t.Any], which: Selection) -> sa.Select[t.Any]:
    if which.well:
        query = query.where(Reading.well_id.in_(which.well))
    if which.since:
        query = query.where(Reading.taken_on >= which.since)
    if which.until:
        query = query.where(Reading.taken_on <= which.until)
    return query


def readings(which: Selection, limit: int) -> list[Reading]:
    """Return the latest readings, the newest first."""
    query = _selected(sa.select(Reading), which)
    query = query.order_by(Reading.taken_on.desc(), Reading.id.desc()).limit(limit)
    with database.session() as session:
        return list(session.scalars(query))


def all_readings(which: Selection) -> Iterator[Reading]:
    """Yield readings in the order of wells and days, without having them all in memory."""
    query = _selected(sa.select(Reading).join(Reading.well), which)
    query = query.order_by(Well.name, Reading.taken_on).execution_options(yield_per=500)
    with database.session() as session:
        yield from session.scalars(query)


def month_levels(which: Selection) -> list[MonthLevel]:
    """Return monthly averages, which a chart can show however many readings there are."""
    year = sa.extract("year", Reading.taken_on)
    month = sa.extract("month", Reading.taken_on)
    query = sa.select(year, month, Well.name, sa.func.avg(Reading.level_m))
    query = query.select_from(Reading).join(Well)
    query = _selected(query, which)
    with database.session() as session:
        rows = session.execute(query.group_by(year, month, Well.name).order_by(year, month))
        return [
            MonthLevel(month=date(int(y), int(m), 1), well=name, level_m=level)
            for y, m, name, level in rows
        ]


def add_reading(new: NewReading, by: str) -> Reading:
    """Keep a reading, if there's none of that well and day."""
    try:
        with database.session(writes=True) as session:
            well = session.get(Well, new.well_id)
            if well is None:
                raise NotThere("There is no such well.")
            reading = Reading(well=well, **new.model_dump(exclude={"well_id"}), changed_by=by)
            session.add(reading)
    except sa.exc.IntegrityError:
        raise Conflict(f"The well has a reading of {new.taken_on} already.") from None
    return reading


def change_reading(reading_id: int, change: ReadingChange, by: str) -> Reading:
    """Replace values, if it's the version that the user has seen."""
    try:
        with database.session(writes=True) as session:
            reading = _find(session, reading_id, change.version)
            reading.level_m, reading.note = change.level_m, change.note
            reading.changed_by = by
    except StaleDataError:  # changed between our SELECT and our UPDATE
        raise Conflict(CHANGED) from None
    return reading


def delete_reading(reading_id: int, version: int) -> None:
    """Delete a reading, if it's the version that the user has seen."""
    try:
        with database.session(writes=True) as session:
            session.delete(_find(session, reading_id, version))
    except StaleDataError:
        raise Conflict(CHANGED) from None


def _find(session: Session, reading_id: int, version: int) -> Reading:
    reading = session.get(Reading, reading_id)
    if reading is None:
        raise NotThere("There is no such reading.")
    if reading.version != version:
        raise Conflict(CHANGED)
    return reading


def trends() -> list[Trend]:
    """Return the last result, the fastest falling well first."""
    with database.session() as session:
        return list(session.scalars(sa.select(Trend).order_by(Trend.slope)))
