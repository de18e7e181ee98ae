"""``python -m tests.benchmarks``."""

from __future__ import annotations

import argparse
import contextlib
import math
import pathlib
import signal
import sys

from tests.benchmarks import document, plot, report
from tests.benchmarks.contenders import FLUXSYNC
from tests.benchmarks.field import Field
from tests.benchmarks.model import Effort
from tests.benchmarks.program import raise_file_limit
from tests.benchmarks.rows import ROWS
from tests.benchmarks.runner import Time, run

#: Seconds after which nobody's turn begins; the last one may take some more.
BUDGET, QUICK_BUDGET = 270.0, 20.0


def main() -> int:
    """Measure, print and write.

    The exit status is 0 whatever the figures are, and 1 if fluxsync could not be measured.
    """
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure fluxsync against its peers, on loopback.",
        epilog="; ".join(f"{row.name}: {row.title}" for row in ROWS),
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows; all if none is named")
    parser.add_argument("--quick", action="store_true", help="only see that everything works")
    parser.add_argument("--rounds", type=int, help="rounds of each row, however long it takes")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all samples")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw an SVG")
    parser.add_argument(
        "--rst",
        type=pathlib.Path,
        metavar="FILE",
        help="put the tables into it, as docs/performance.rst",
    )
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(names)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise_file_limit()
    effort = Effort(arguments.quick, arguments.rounds)
    rows = [row for row in ROWS if row.name in (arguments.rows or names)]
    budget = QUICK_BUDGET if effort.quick else math.inf if effort.rounds else BUDGET
    left = Time(budget, rows)
    results = []
    try:
        with contextlib.ExitStack() as stack:
            field = Field(stack, install=not effort.quick)
            for row in rows:
                results.append(run(row, field, effort, left))
                sys.stdout.write(report.block(results[-1]) + "\n")
                sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(report.summary(results))
    if effort.quick:
        sys.stdout.write("\nThis was the quick mode: its figures say nothing.\n")
    if arguments.json:
        arguments.json.write_text(report.to_json(results))
    if arguments.rst:
        document.write(arguments.rst, results)
    if arguments.plot:
        arguments.plot.write_text(plot.draw(results))
    ours = {"upstream", *FLUXSYNC}
    return 1 if any(ours & result.failed.keys() for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
