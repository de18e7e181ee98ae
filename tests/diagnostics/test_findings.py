from __future__ import annotations

import pytest

from fluxsync.diagnostics.findings import Hop, has_failed, ok, problem, warning

GOOD, ODD, BAD = ok("a", ""), warning("b", Hop.PROXY, "w"), problem("c", Hop.GATEWAY, "p", ("r",))


@pytest.mark.parametrize(
    ("findings", "strict", "expected"),
    [
        ([GOOD], True, False),
        ([GOOD, ODD], False, False),
        ([GOOD, ODD], True, True),
        ([BAD, GOOD], False, True),
        ([], True, False),
    ],
)
def test_has_failed(findings: list[object], strict: bool, expected: bool) -> None:
    assert has_failed(findings, strict=strict) == expected  # type: ignore[arg-type] # all are


def test_as_dict() -> None:
    assert BAD.as_dict() == {
        "check": "c",
        "level": "problem",
        "hop": "gateway",
        "text": "p",
        "remedy": ["r"],
    }
    assert GOOD.as_dict()["hop"] is None
