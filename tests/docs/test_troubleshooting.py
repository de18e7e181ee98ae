"""docs/troubleshooting.rst quotes what fluxsync says."""

from __future__ import annotations

import ast
import re
import typing as t

import pytest

from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "troubleshooting.rst").read_text(encoding="utf-8")
#: Terms of its lists: what people see.
TERMS = [line for line in re.findall(r"(?m)^(\S.*)\n    \S", TEXT) if not line.startswith("..")]
QUOTED = [quoted for term in TERMS for quoted in re.findall(r"``(.+?)``", term)]
#: What stands between the parts of a message that the code has: what is filled in, and what
#: ConfigError puts around.
BETWEEN = re.compile(r"\s*…\s*|='\*\*\*'|: expected |^expected ")
#: Ends of addresses, and what isn't fluxsync's own words.
OTHERS = {"/api/api/…", "http://", "https://"}


def _texts() -> t.Iterator[str]:
    """Yield all texts of the code, with ``…`` where something is filled in."""
    for path in (ROOT / "fluxsync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"%\.?\d*[sdfr]", "…", node.value)


@pytest.fixture(scope="module")
def said() -> str:
    return "\n".join(_texts())


@pytest.mark.parametrize("quoted", sorted(set(QUOTED) - OTHERS))
def test_it_is_said(quoted: str, said: str) -> None:
    """Parts of a message may come from several places; each is somewhere in the code."""
    if re.fullmatch(r"replica is [A-Z]+", quoted):
        from fluxsync.sansio.supervision import State

        assert quoted.rpartition(" ")[2] in State.__members__
        return
    for part in filter(None, BETWEEN.split(quoted)):
        assert part in said, part


def test_settings_that_it_names_are_meant(said: str) -> None:
    """A number in brackets behind a message is the setting that it's about."""
    from fluxsync.config import FluxSyncSettings

    named = set(re.findall(r"\(([a-z]+(?:_[a-z]+)+)\)", "\n".join(QUOTED)))

    assert named
    assert named <= set(FluxSyncSettings.model_fields)
