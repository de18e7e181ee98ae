from __future__ import annotations

import pytest

from fluxsync.demo.pages.tables import table, verbatim


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("r1", "` r1 `", id="plain"),
        pytest.param("*/*", "` */* `", id="markup"),
        pytest.param("a|b", r"` a\|b `", id="end of a cell"),
        pytest.param("a`b", "`` a`b ``", id="end of a quotation"),
        pytest.param("", "none", id="nothing"),
    ],
)
def test_verbatim(value: str, expected: str) -> None:
    assert verbatim(value) == expected


def test_table() -> None:
    assert table(("Name", "Value", "Use"), [("Replica", "r1", "A process")]) == (
        "| Name | Value | Use |\n| --- | --- | --- |\n| Replica | ` r1 ` | A process |"
    )
