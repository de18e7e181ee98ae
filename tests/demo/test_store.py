from __future__ import annotations

import threading
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from fluxsync.demo import store as store_module
from fluxsync.demo.dataset import FIRST_DAY, LAST_DAY
from fluxsync.demo.models import Kind, NewSighting, Period
from fluxsync.demo.store import Store, UnknownStation

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(database: Path) -> Store:
    return Store(database)


def seen(note: str, station: str = "canal-path") -> NewSighting:
    return NewSighting(author="Ada", station=station, kind=Kind.TANDEM, note=note)


def test_environment_places_the_store(database: Path) -> None:
    Store.from_environment().stations()

    assert database.exists()


def test_stations_are_sorted_by_bicycles(store: Store) -> None:
    bicycles = [station.bicycles for station in store.stations()]

    assert len(bicycles) == 4
    assert bicycles == sorted(bicycles, reverse=True)


def test_station(store: Store) -> None:
    assert store.station("university").name == "University"


def test_unknown_station(store: Store) -> None:
    with pytest.raises(UnknownStation, match="atlantis"):
        store.station("atlantis")


def test_summary_agrees_with_the_parts(store: Store) -> None:
    summary = store.summary()

    assert summary.bicycles == sum(station.bicycles for station in store.stations())
    assert summary.busiest == store.day(summary.busiest.day)
    assert summary.quietest.bicycles < summary.busiest.bicycles


def test_day_outside_the_year(store: Store) -> None:
    assert store.day(FIRST_DAY - timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("per", "periods", "first"),
    [
        pytest.param(Period.DAY, 365, date(2025, 1, 1), id="days"),
        pytest.param(Period.WEEK, 53, date(2024, 12, 30), id="weeks start on Monday"),
        pytest.param(Period.MONTH, 12, date(2025, 1, 1), id="months"),
    ],
)
def test_periods(store: Store, per: Period, periods: int, first: date) -> None:
    starts = [p.start for p in store.counts(per, ["university"], FIRST_DAY, LAST_DAY)]

    assert starts[0] == first
    assert starts == sorted(set(starts))
    assert len(starts) == periods


def test_weeks_are_those_of_the_calendar(store: Store) -> None:
    starts = {p.start for p in store.counts(Period.WEEK, [], FIRST_DAY, LAST_DAY)}
    days = {p.start for p in store.counts(Period.DAY, [], FIRST_DAY, LAST_DAY)}

    assert starts == {day - timedelta(days=day.weekday()) for day in days}


def test_average_of_a_period(store: Store) -> None:
    days = store.counts(Period.DAY, ["lake-shore"], date(2025, 5, 1), date(2025, 5, 31))
    (may,) = store.counts(Period.MONTH, ["lake-shore"], date(2025, 5, 1), date(2025, 5, 31))

    assert may.bicycles_per_day == pytest.approx(
        sum(day.bicycles_per_day for day in days) / 31, abs=0.06
    )


def test_no_station_means_all(store: Store) -> None:
    points = store.counts(Period.MONTH, [], FIRST_DAY, LAST_DAY)

    assert {point.station for point in points} == {station.id for station in store.stations()}


def test_hours_add_up_to_a_day(store: Store) -> None:
    hours = store.hours(["university", "canal-path"])

    average = sum(hour.working_day * 261 + hour.weekend * 104 for hour in hours)
    assert [hour.hour for hour in hours] == list(range(24))
    assert average == pytest.approx(
        store.station("university").bicycles + store.station("canal-path").bicycles, rel=0.001
    )


def test_sighting_is_kept(store: Store) -> None:
    before, _ = store.sightings(1)

    added = store.add_sighting(seen("a dog with goggles"), NOON)

    assert store.sightings(1) == (before + 1, [added])
    assert added.note == "a dog with goggles"
    assert added.seen_at == NOON


def test_times_are_kept_in_utc(store: Store) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))

    added = store.add_sighting(seen("three riders"), elsewhere)

    assert added.seen_at.utcoffset() == timedelta(0)
    assert added.seen_at == NOON


def test_sighting_at_unknown_station(store: Store) -> None:
    with pytest.raises(UnknownStation, match="atlantis"):
        store.add_sighting(seen("a submarine", "atlantis"), NOON)


def test_oldest_sightings_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SIGHTINGS_KEPT", 2)
    for number in range(3):
        store.add_sighting(seen(f"number {number}"), NOON)

    total, sightings = store.sightings(10)

    assert total == 2
    assert [sighting.note for sighting in sightings] == ["number 2", "number 1"]


def test_threads_write_at_once(store: Store) -> None:
    """Nobody is told that the database is locked, and nothing is lost."""
    before, _ = store.sightings(1)
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        for _ in range(5):
            store.add_sighting(seen(f"by thread {number}"), NOON)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.sightings(1)[0] == before + 40
