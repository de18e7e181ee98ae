"""The figures as bars, one panel for each, in an SVG."""

from __future__ import annotations

import typing as t
from xml.sax.saxutils import escape

from tests.benchmarks import machine
from tests.benchmarks.contenders import FLUXSYNC, LABELS
from tests.benchmarks.model import Metric, Result
from tests.benchmarks.report import number

WIDTH, COLUMNS, GAP = 480, 2, 24
LABEL, BAR, VALUE = 150, 16, 70
OURS, OTHERS = "#d6336c", "#868e96"


def draw(results: t.Sequence[Result]) -> str:
    """Return the drawing."""
    panels = [
        panel
        for result in results
        for metric in result.row.metrics
        if metric.drawn and (panel := _panel(result, metric))
    ]
    tops = [GAP] * COLUMNS
    body = []
    for height, lines in panels:
        column = tops.index(min(tops))
        left = GAP + column * (WIDTH + GAP)
        body.append(f'<g transform="translate({left} {tops[column]})">{"".join(lines)}</g>')
        tops[column] += height + GAP
    width, height = COLUMNS * (WIDTH + GAP) + GAP, max(tops) + GAP
    note = escape(machine.sentences(machine.describe()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>'
        + "\n".join(body)
        + f'\n<text x="{GAP}" y="{height - 10}" font-size="7" fill="#868e96">{note}</text>\n</svg>\n'
    )


def _panel(result: Result, metric: Metric) -> tuple[int, list[str]] | None:
    """Return the height and the elements of a panel, ``None`` if there's nothing to compare."""
    found = {key: value for key in LABELS if (value := result.median(key, metric.key)) is not None}
    highest = max(found.values(), default=0.0)
    if not highest:
        return None
    unit = f", {metric.unit}" if metric.unit else ""
    better = "more is better" if metric.more_is_better else "less is better"
    lines = [
        f'<text y="12" font-weight="bold">{escape(result.row.title)}</text>',
        f'<text y="28" fill="#495057">{escape(metric.text + unit)} ({better})</text>',
    ]
    top = 38
    for key, value in found.items():
        length = max(value / highest * (WIDTH - LABEL - VALUE), 1)
        fill = OURS if key in FLUXSYNC else OTHERS
        text = number(value, metric.digits)
        lines.append(
            f'<text x="{LABEL - 8}" y="{top + 12}" text-anchor="end">{escape(LABELS[key])}</text>'
            f'<rect x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR - 2}" fill="{fill}"/>'
            f'<text x="{LABEL + length + 6:.1f}" y="{top + 12}">{text}</text>'
        )
        top += BAR + 2
    return top, lines
