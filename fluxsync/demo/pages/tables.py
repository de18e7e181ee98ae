"""Tables in Markdown: real text on the page, to select and to search, unlike a canvas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the second column holds values, to be shown as they are."""
    lines = [heads, ["---"] * len(heads)]
    lines += [[name, verbatim(value), *notes] for name, value, *notes in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verbatim(value: str) -> str:
    """Quote a value so that Markdown, also in a table, leaves it alone."""
    fence = "``" if "`" in value else "`"
    return f"{fence} {value} {fence}".replace("|", "\\|") if value else "none"
