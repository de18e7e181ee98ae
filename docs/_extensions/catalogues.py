"""``.. metrics::`` and ``.. log-fields::`` document what fluxsync's own catalogues have.

``:metric:`` refers to a metric. Nothing of them is written by hand, so nothing is missing.
"""

from __future__ import annotations

import typing as t

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fluxsync.telemetry import logfields
from fluxsync.telemetry.metrics import METRICS, Metric


def describe(metric: Metric) -> list[str]:
    """Return a metric as lines of RST."""
    labels = ", ".join(f"``{label}``" for label in metric.labels)
    facts = metric.kind.value.capitalize() + (f" by {labels}" if labels else "")
    if metric.buckets:
        facts += f"; buckets up to {', '.join(f'{bound:g}' for bound in metric.buckets)} s"
    return [f".. metric:: {metric.name}", "", f"   {facts}.", "", f"   {metric.help}", ""]


class Metrics(SphinxDirective):
    """All metrics, in the order of the catalogue."""

    def run(self) -> list[nodes.Node]:
        lines = [line for metric in METRICS for line in describe(metric)]
        return self.parse_text_to_nodes("\n".join(lines))


class LogFields(SphinxDirective):
    """One of the catalogues of log fields, by its name, as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        fields: dict[str, logfields.LogField] = getattr(logfields, self.arguments[0])
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 20 12 68", ""]
        rows = [("Field", "Type", "Meaning")]
        rows += [(f"``{name}``", field.type, field.meaning) for name, field in fields.items()]
        for name, kind, meaning in rows:
            lines += [f"   * - {name}", f"     - {kind}", f"     - {meaning}"]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, t.Any]:
    """Add the directives and the role."""
    app.add_object_type("metric", "metric")
    app.add_directive("metrics", Metrics)
    app.add_directive("log-fields", LogFields)
    return {"version": "1", "parallel_read_safe": True}
