"""The page about security names tests, and settings, that exist."""

from __future__ import annotations

import re

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.config.groups import ProtectionSettings
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "security.rst").read_text(encoding="utf-8")
#: Threats, without what follows them.
THREATS = TEXT.partition(".. _policy:")[0]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"``(tests/[^`]*)``", TEXT))))
def test_tests_exist(name: str) -> None:
    path, _, function = name.partition("::")

    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^def {function}\(", source, re.M)


def test_each_threat_has_a_test() -> None:
    sections = re.split(r"\n(?=[^\n]+\n-{5,}\n)", THREATS)[1:]

    assert len(sections) == 7
    assert [section.splitlines()[0] for section in sections if "::test_" not in section] == []


def test_settings_exist() -> None:
    named = set(re.findall(r":setting:`(\w+)`", TEXT))

    assert named <= set(FluxSyncSettings.model_fields)
    # Those of CORS are explained with the first of them.
    own = {
        n for n in ProtectionSettings.model_fields if not n.startswith(("cors_", "gateway_queue"))
    }
    assert own - named == {"security_headers"}
    assert "security_headers = " in TEXT


def test_policy_is_accepted() -> None:
    found = re.search(r'content_security_policy = """\\\n(.*?)"""', TEXT, re.S)

    assert found
    FluxSyncSettings(content_security_policy=" ".join(found[1].replace("\\\n", " ").split()))
