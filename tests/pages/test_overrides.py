from __future__ import annotations

import pytest

from fluxsync.exceptions import PageError
from fluxsync.pages.overrides import FLAG, VARIABLE, current_overrides, page_overrides


def test_latest_counts() -> None:
    with page_overrides({"user": "ada", "limit": 1}), page_overrides({"user": "grace"}):
        assert current_overrides() == {"user": "grace", "limit": 1}
    assert current_overrides() == {}


@pytest.mark.parametrize(
    ("flag", "expected"),
    [("1", {"user": "ada"}), ("TRUE", {"user": "ada"}), ("", {}), ("0", {}), ("no", {})],
)
def test_environment_counts_in_tests_only(
    monkeypatch: pytest.MonkeyPatch, flag: str, expected: dict[str, str]
) -> None:
    monkeypatch.setenv(VARIABLE, '{"user": "ada"}')
    monkeypatch.setenv(FLAG, flag)

    assert current_overrides() == expected


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_malformed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    monkeypatch.setenv(FLAG, "1")

    with pytest.raises(PageError, match="expected a JSON object"):
        current_overrides()
