"""What the documentation says about the repository is so."""

from __future__ import annotations

import re

import pytest

from tests.support.processes import ROOT

DOCS = sorted((ROOT / "docs").rglob("*.rst"))
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCS}


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named(name: str) -> None:
    """A file of ``deploy``, ``fluxsync`` or ``tests`` that is named is there."""
    for path in re.findall(r"``((?:deploy|fluxsync|tests)/[\w./-]+)``", TEXTS[name]):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", TEXTS)
def test_references_are_references(name: str) -> None:
    """A file that is linked as it lies there is no page of the site: it's ``:doc:`` there."""
    for target in re.findall(r"`[^`]*<([^>`]+)>`__?", TEXTS[name]):
        assert re.match(r"https?://", target), target


def test_alerts_say_what_to_do() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    alerts = re.findall(r"alert: (\w+)", rules)

    assert alerts
    assert set(alerts) == set(re.findall(r"``(Fluxsync\w+)``", TEXTS["docs/metrics.rst"]))
