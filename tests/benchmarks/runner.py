"""Runs rows: the contenders take turns, round after round."""

from __future__ import annotations

import time
import typing as t

from tests.benchmarks.model import Effort, Result, Row
from tests.benchmarks.peers import Unavailable

if t.TYPE_CHECKING:
    from tests.benchmarks.field import Field

#: Contenders of the quick mode, which start quickly.
QUICK = ("upstream", "api", "nginx", "gthread")
NOT_QUICK = "not in the quick mode"


class Time:
    """Shares the time among the rows, so that each has a round, and more if they fit.

    :param seconds: After so many, no contender's turn begins any more.
    """

    def __init__(self, seconds: float, rows: t.Sequence[type[Row]]) -> None:
        self._end = time.monotonic() + seconds
        self._shares = sum(row.share for row in rows)
        self._row_end = self._end

    def begin(self, row: type[Row]) -> None:
        """Give a row its share of what is left."""
        now = time.monotonic()
        self._row_end = now + (self._end - now) * row.share / self._shares
        self._shares -= row.share

    def is_over(self) -> bool:
        """Whether the time of all rows is over."""
        return time.monotonic() > self._end

    def allows(self, seconds: float) -> bool:
        """Whether the row has so much time left."""
        return time.monotonic() + seconds < self._row_end


def run(row: type[Row], field: Field, effort: Effort, left: Time) -> Result:
    """Measure a row."""
    result = Result(row)
    left.begin(row)
    if effort.quick:
        result.skipped = {key: NOT_QUICK for key in row.contenders if key not in QUICK}
        if not row.quick:
            result.skipped = {"": NOT_QUICK}
            return result
    rounds = 1 if effort.quick else effort.rounds or row.rounds
    begin, starts = time.monotonic(), field.seconds
    instance = row(field, effort)
    try:
        for number in range(rounds):
            # Whole rounds, so that all have had as many turns.
            taken = time.monotonic() - begin - (field.seconds - starts)
            if number and not left.allows(taken / number):
                break
            result.rounds += 1
            for key in row.contenders:
                if left.is_over():
                    result.skipped.setdefault("", "no time left")
                elif key not in result.skipped and key not in result.failed:
                    _turn(instance, key, result)
    finally:
        instance.close()
        result.seconds = time.monotonic() - begin
    return result


def _turn(row: Row, key: str, result: Result) -> None:
    try:
        result.add(key, row.measure(key))
    except Unavailable as e:
        result.skipped[key] = str(e)
    except Exception as e:  # noqa: BLE001 # whatever it is, the others are measured all the same
        result.failed[key] = f"{type(e).__name__}: {e}"
