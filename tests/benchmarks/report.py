"""The figures for people: as they come, as one table, as JSON."""

from __future__ import annotations

import json
import typing as t

from tests.benchmarks import machine
from tests.benchmarks.contenders import LABELS
from tests.benchmarks.model import Metric, Result, Verdict


def number(value: float | None, digits: int) -> str:
    """Return a number as people write it; never a negative zero."""
    return "" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}"


def cell(result: Result, key: str, metric: Metric) -> str:
    """Return a median, and how many times that of fluxsync it is, where that's of interest."""
    value, ours = result.median(key, metric.key), result.median("gthread", metric.key)
    text = number(value, metric.digits)
    if not value or not ours or value < 0 or ours < 0 or key == "gthread":
        return text
    return (
        f"{text} ({value / ours:.2g}x)" if value / ours < 99.5 else f"{text} ({value / ours:.0f}x)"
    )


def block(result: Result) -> str:
    """Return the table of one row, who isn't in it and why, and the targets."""
    rounds = "1 round" if result.rounds == 1 else f"{result.rounds} rounds"
    lines = [f"{result.row.name}: {result.row.title}  ({rounds}, {result.seconds:.0f} s)"]
    if result.samples:
        lines += medians([result]).splitlines()
    for key, reason in result.skipped.items():
        lines.append(f"{LABELS[key] if key else 'all'}: {reason}")
    for key, reason in result.failed.items():
        lines.append(f"{LABELS[key]} failed: {reason}")
    for verdict in result.verdicts():
        lines.append(f"target: {describe(result, verdict)}: {reached(result, verdict)}")
    return "\n  ".join(lines) + "\n"


def describe(result: Result, verdict: Verdict) -> str:
    """Return what the target demands."""
    return result.row.describe(verdict.target)


def reached(result: Result, verdict: Verdict) -> str:
    """Return what was reached, and whether that's enough."""
    if verdict.value is None:
        return "not measured"
    digits = 2 if verdict.target.how == "ratio" else _metric(result, verdict).digits
    return f"{number(verdict.value, digits)}, {'met' if verdict.met else 'MISSED'}"


def _metric(result: Result, verdict: Verdict) -> Metric:
    return next(m for m in result.row.metrics if m.key == verdict.target.metric)


def medians(results: t.Sequence[Result]) -> str:
    """Return the table of all medians."""
    keys = [key for key in LABELS if any(key in result.samples for result in results)]
    rows = []
    for result in results:
        for metric in result.row.metrics:
            values = [cell(result, key, metric) for key in keys]
            if any(values):
                rows.append([result.row.name, metric.text, metric.unit, *values])
    return _align([["row", "what", "unit", *(LABELS[key] for key in keys)], *rows])


def summary(results: t.Sequence[Result]) -> str:
    """Return the table of all medians, and the one of the targets."""
    text = medians(results)
    targets = [
        [result.row.name, describe(result, verdict), reached(result, verdict)]
        for result in results
        for verdict in result.verdicts()
    ]
    if targets:
        text += "\n" + _align([["row", "target", "reached"], *targets])
    return text


def _align(table: t.Sequence[t.Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def to_json(results: t.Sequence[Result]) -> str:
    """Return all samples, medians and verdicts."""
    rows = [
        {
            "name": result.row.name,
            "title": result.row.title,
            "metrics": {m.key: {"text": m.text, "unit": m.unit} for m in result.row.metrics},
            "samples": result.samples,
            "medians": {
                key: {metric: result.median(key, metric) for metric in samples}
                for key, samples in result.samples.items()
            },
            "skipped": result.skipped,
            "failed": result.failed,
            "targets": [
                {"target": describe(result, verdict), "value": verdict.value, "met": verdict.met}
                for verdict in result.verdicts()
            ],
            "rounds": result.rounds,
            "seconds": round(result.seconds, 1),
        }
        for result in results
    ]
    return json.dumps({"machine": machine.describe(), "rows": rows}, indent=2) + "\n"
