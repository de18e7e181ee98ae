from __future__ import annotations

from datetime import date

from fluxsync.demo import dataset

YEAR = list(dataset.days())


def total(station: str, first: date, last: date) -> int:
    return sum(
        count.bicycles
        for count in dataset.counts(YEAR)
        if count.station == station and first <= count.day <= last
    )


def test_year_is_complete() -> None:
    assert [day.day.toordinal() for day in YEAR] == list(
        range(dataset.FIRST_DAY.toordinal(), dataset.LAST_DAY.toordinal() + 1)
    )
    assert len(list(dataset.counts(YEAR))) == len(dataset.SITES) * 365 * 24


def test_every_machine_gets_the_same_numbers() -> None:
    assert list(dataset.days()) == YEAR
    assert list(dataset.counts(YEAR)) == list(dataset.counts(YEAR))


def test_nothing_is_negative() -> None:
    assert min(count.bicycles for count in dataset.counts(YEAR)) == 0
    assert min(day.rain_mm for day in YEAR) == 0


def test_summer_is_warmer_than_winter() -> None:
    july = [day.temperature_celsius for day in YEAR if day.day.month == 7]
    january = [day.temperature_celsius for day in YEAR if day.day.month == 1]

    assert sum(july) / 31 > sum(january) / 31 + 10


def test_shares_of_a_day_add_up() -> None:
    for rhythm in dataset.Rhythm:
        assert abs(sum(rhythm.share(hour) for hour in range(24)) - 1) < 1e-9


def test_riddles_have_answers() -> None:
    """The home page asks for these."""
    days: dict[date, int] = {}
    for count in dataset.counts(YEAR):
        days[count.day] = days.get(count.day, 0) + count.bicycles

    assert total("harbour-bridge", *dataset.REPAIR) == 0
    assert total("canal-path", *dataset.REPAIR) > 1.5 * total(
        "canal-path", date(2025, 8, 18), date(2025, 8, 31)
    )
    assert max(days, key=days.__getitem__) == dataset.CAR_FREE_SUNDAY
    assert dataset.Rhythm.COMMUTE.share(7) > 2 * dataset.Rhythm.STUDY.share(7)
