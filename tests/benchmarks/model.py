"""Rows of the benchmark: what is measured, of whom, and what it should be."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from tests.benchmarks.contenders import LABELS
from tests.benchmarks.field import Field
from tests.benchmarks.measure import Cpu, median
from tests.benchmarks.program import Contender


@dataclass(frozen=True)
class Metric:
    """One number of a row.

    :ivar digits: Decimal places to be shown.
    :ivar drawn: Whether it's in the plot.
    """

    key: str
    text: str
    unit: str
    digits: int = 0
    drawn: bool = False
    more_is_better: bool = False


@dataclass(frozen=True)
class Target:
    """What a number of fluxsync has to be.

    :ivar reference: Contender it's compared with; itself if empty.
    :ivar against: Metric it's compared with; the same if empty.
    :ivar how: Whether the limit is of the value, of its ratio to, or its difference from, the
        other one.
    """

    metric: str
    limit: float
    reference: str = ""
    against: str = ""
    how: t.Literal["value", "ratio", "difference"] = "ratio"
    at_least: bool = False
    contender: str = "gthread"


@dataclass(frozen=True)
class Effort:
    """How much is done.

    :ivar quick: Only to see that everything works.
    :ivar rounds: Rounds of each row; ``None`` for the row's own number.
    """

    quick: bool = False
    rounds: int | None = None


@dataclass(frozen=True)
class Verdict:
    """A target, and what was reached; ``None`` if it couldn't be measured."""

    target: Target
    value: float | None

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        if self.target.at_least:
            return self.value >= self.target.limit
        return self.value <= self.target.limit


@dataclass
class Result:
    """What a row has found.

    :ivar samples: By contender and metric, one per round.
    :ivar skipped: Why somebody, or the whole row (``""``), wasn't measured.
    :ivar failed: What went wrong with whom, for good.
    :ivar rounds: How many were begun.
    """

    row: type[Row]
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    rounds: int = 0
    seconds: float = 0.0

    def add(self, contender: str, values: t.Mapping[str, float]) -> None:
        found = self.samples.setdefault(contender, {})
        for metric, value in values.items():
            found.setdefault(metric, []).append(value)

    def median(self, contender: str, metric: str) -> float | None:
        values = self.samples.get(contender, {}).get(metric)
        return median(values) if values else None

    def verdicts(self) -> list[Verdict]:
        return [Verdict(target, self._reached(target)) for target in self.row.targets]

    def _reached(self, target: Target) -> float | None:
        """Compare round by round, as what disturbs one contender disturbs the next as well."""
        values = self.samples.get(target.contender, {}).get(target.metric, [])
        if target.how != "value":
            other = self.samples.get(target.reference or target.contender, {})
            pairs = zip(values, other.get(target.against or target.metric, []), strict=False)
            if target.how == "difference":
                values = [value - reference for value, reference in pairs]
            else:
                values = [value / reference for value, reference in pairs if reference]
        return median(values) if values else None


class Row:
    """One comparison. Its contenders take turns, so that all suffer from the same noise.

    :cvar rounds: How often each has its turn, if there's time.
    :cvar share: How much of the time it gets: about its seconds on a machine of two cores.
    :cvar quick: Whether it's part of the quick mode.
    """

    name: t.ClassVar[str]
    title: t.ClassVar[str]
    metrics: t.ClassVar[tuple[Metric, ...]]
    targets: t.ClassVar[tuple[Target, ...]] = ()
    contenders: t.ClassVar[tuple[str, ...]]
    rounds: t.ClassVar[int] = 5
    share: t.ClassVar[float] = 20
    quick: t.ClassVar[bool] = True

    def __init__(self, contestants: Field, effort: Effort) -> None:
        self.field = contestants
        self.effort = effort

    def get(self, key: str) -> Contender:
        """Return a contender that's ready to be measured.

        :raise Unavailable: It can't take part.
        """
        return self.field.get(key)

    def measure(self, key: str) -> t.Mapping[str, float]:
        """Return the metrics of one round."""
        raise NotImplementedError

    def close(self) -> None:
        """End what the row has started for itself; called once, after its last round."""

    def cpu(self, contender: Contender) -> Cpu:
        """Return a meter for what is charged to a contender."""
        return Cpu(contender.processes)

    @classmethod
    def describe(cls, target: Target) -> str:
        """Return a target as people say it."""
        metric = next(m for m in cls.metrics if m.key == target.metric)
        sign = "≥" if target.at_least else "≤"
        if target.how == "value":
            return f"{metric.text} {sign} {target.limit:g} {metric.unit}".rstrip()
        other = LABELS[target.reference] if target.reference else "its own"
        if target.against:
            other += " " + next(m.text for m in cls.metrics if m.key == target.against)
        if target.how == "difference":
            return f"{metric.text} {sign} {other} + {target.limit:g} {metric.unit}".rstrip()
        return f"{metric.text} {sign} {target.limit:g} x {other}"
