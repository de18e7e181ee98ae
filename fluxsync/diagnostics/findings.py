"""What a check has found. No I/O."""

from __future__ import annotations

import dataclasses
import enum
import typing as t


class Level(enum.Enum):
    """How bad it is."""

    OK = "ok"
    #: Pages work, and something about them could be better.
    WARNING = "warning"
    PROBLEM = "problem"


class Hop(enum.Enum):
    """Where on the way it is."""

    NETWORK = "network"
    PROXY = "proxy"
    GATEWAY = "gateway"
    STREAMLIT = "Streamlit"
    MACHINE = "machine"
    PROJECT = "project"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check says.

    :ivar check: What was looked at, in a word or two.
    :ivar text: What there is to say, in sentences.
    :ivar remedy: Lines to write, and where.
    """

    check: str
    level: Level
    text: str
    hop: Hop | None = None
    remedy: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        """Return it for JSON."""
        return {
            "check": self.check,
            "level": self.level.value,
            "hop": self.hop.value if self.hop else None,
            "text": self.text,
            "remedy": list(self.remedy),
        }


def ok(check: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Level.OK, text)


def warning(check: str, hop: Hop, text: str, remedy: tuple[str, ...] = ()) -> Finding:
    """Return what could be better."""
    return Finding(check, Level.WARNING, text, hop, remedy)


def problem(check: str, hop: Hop, text: str, remedy: tuple[str, ...] = ()) -> Finding:
    """Return what is wrong."""
    return Finding(check, Level.PROBLEM, text, hop, remedy)


def has_failed(findings: t.Iterable[Finding], *, strict: bool) -> bool:
    """Whether there's a problem among them.

    :param strict: Whether warnings are problems.
    """
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    return any(finding.level in bad for finding in findings)
