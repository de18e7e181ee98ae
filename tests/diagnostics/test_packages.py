from __future__ import annotations

from importlib import metadata

import pytest

from fluxsync.diagnostics import packages
from fluxsync.diagnostics.findings import Level
from tests.support.processes import ROOT

REQUIREMENTS = [
    "click>=8.1",
    "pyjwt[crypto]>=2.10.1; extra == 'auth'",
    'tomli>=2.0; python_version < "3.11"',
    'pytest>=8.2; extra == "tests"',
    "flask-openapi3>=4.1",
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    versions = {"click": "8.1.7", "flask-openapi3": "4.1", "streamlit": "1.60.1"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "requires", lambda name: REQUIREMENTS)
    monkeypatch.setattr(metadata, "version", version)
    return versions


def levels() -> dict[str, Level]:
    return {finding.check: finding.level for finding in packages.check()}


def test_all_is_there(installed: dict[str, str]) -> None:
    """What only other Pythons need, or who develops fluxsync, isn't missed."""
    assert packages.packages() == [
        packages.Package("click", "8.1", "", "8.1.7"),
        packages.Package("pyjwt", "2.10.1", "auth", ""),
        packages.Package("flask-openapi3", "4.1", "", "4.1"),
    ]
    assert set(levels().values()) == {Level.OK}


def test_something_is_missing(installed: dict[str, str]) -> None:
    del installed["click"]
    installed["flask-openapi3"] = "4.0.9"
    bad = [finding for finding in packages.check() if finding.level is Level.PROBLEM]
    assert [(finding.text, finding.remedy) for finding in bad] == [
        ("click isn't installed; fluxsync needs 8.1 or later.", ("pip install 'click>=8.1'",)),
        (
            "flask-openapi3 is 4.0.9; fluxsync needs 4.1 or later.",
            ("pip install 'flask-openapi3>=4.1'",),
        ),
    ]


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("1.41.1", Level.PROBLEM),
        ("1.42.0", Level.OK),
        ("1.67.3", Level.OK),
        ("1.68.0", Level.WARNING),
        ("2.0.0rc1", Level.WARNING),
    ],
)
def test_streamlit(version: str, level: Level, installed: dict[str, str]) -> None:
    installed["streamlit"] = version
    assert levels()["streamlit"] is level


def test_source_without_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert levels()["packages"] is Level.WARNING


def test_what_was_tried() -> None:
    """As documented, and required."""
    matrix = (ROOT / "docs" / "support-matrix.rst").read_text(encoding="utf-8")
    required = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for name, (oldest, newest) in packages.TRIED.items():
        assert f"{name}>={oldest}\n" in required
        assert f"\n{oldest}." in matrix or f" {oldest}." in matrix
        assert f"\n{newest}." in matrix or f" {newest}." in matrix
    for python in packages.TRIED_PYTHONS:
        assert f"\n{python}." in matrix
