"""The figures in ``docs/performance.rst``."""

from __future__ import annotations

import csv
import io
import pathlib
import textwrap
import typing as t

from tests.benchmarks import machine
from tests.benchmarks.contenders import LABELS
from tests.benchmarks.model import Result
from tests.benchmarks.report import cell, describe, reached

#: What stands between these two is replaced.
BEGIN, END = ".. The results begin here.\n", ".. The results end here.\n"


def write(path: pathlib.Path, results: t.Sequence[Result]) -> None:
    """Put the results into a document that has a place for them, or into a new file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        before, after = "", ""
    path.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{after}", encoding="utf-8")


def tables(results: t.Sequence[Result]) -> str:
    """Return the machine, the medians, the targets, and what is missing."""
    keys = [key for key in LABELS if any(key in result.samples for result in results)]
    rows: list[list[str]] = []
    for result in results:
        for metric in result.row.metrics:
            values = [cell(result, key, metric) for key in keys]
            if any(values):
                unit = f" ({metric.unit})" if metric.unit else ""
                rows.append([result.row.name, f"{metric.text}{unit}", *values])
    medians = _table(
        "Medians, and how many times the one of fluxsync gthread that is",
        ["Row", "What", *(LABELS[key] for key in keys)],
        rows,
    )
    targets = [
        [result.row.name, describe(result, verdict), reached(result, verdict)]
        for result in results
        for verdict in result.verdicts()
    ]
    titles = [[result.row.name, result.row.title] for result in results]
    missing = [
        f"* {result.row.name}: {LABELS[key] + ': ' if key else ''}{reason}"
        for result in results
        for key, reason in (result.skipped | result.failed).items()
    ]
    parts = [
        textwrap.fill(machine.sentences(machine.describe()), 100),
        _table("Rows", ["Row", "What is done"], titles),
        medians,
        _table("Targets", ["Row", "Target", "Reached"], targets),
    ]
    if missing:
        parts.append("Not measured:\n\n" + "\n".join(missing))
    return "\n\n".join(parts) + "\n"


def _table(title: str, head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(head)
    writer.writerows(rows)
    body = textwrap.indent(text.getvalue().strip(), "   ")
    return f".. csv-table:: {title}\n   :header-rows: 1\n\n{body}"
