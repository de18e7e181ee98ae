"""What settings are advised against: one list of rules for commands and for a strict start.

Single values are checked where they're read (:mod:`fluxsync.config.fields`). Here is what is wrong
about values that each could be right, given the others, the files and the host.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import pathlib
import typing as t

from ..exceptions import ConfigError
from . import protection_rules, trust_rules
from .situation import Situation

if t.TYPE_CHECKING:
    from .settings import FluxSyncSettings


class Level(enum.Enum):
    """How bad it is."""

    #: Something doesn't work, or somebody is believed who shouldn't be.
    ERROR = "error"
    #: It may be what is meant.
    WARNING = "warning"


@dataclasses.dataclass(frozen=True)
class Rule:
    """What to look at.

    :ivar code: Its name; scripts depend on it.
    :ivar doc: Page and section of the documentation.
    :ivar check: Yields lines, without a period, that name settings and say what to change.
    """

    code: str
    level: Level
    doc: str
    check: t.Callable[[Situation], t.Iterable[str]]


@dataclasses.dataclass(frozen=True)
class Advice:
    """What a rule has found."""

    code: str
    level: Level
    message: str
    doc: str

    def as_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {
            "level": self.level.value,
            "code": self.code,
            "message": self.message,
            "doc": self.doc,
        }


_SERVED = "settings.html#the-server"
_TRUST = "settings.html#urls-and-trust"
_HOP = "settings.html#limits-of-the-hop-to-streamlit"
_PROTECTION = "settings.html#protection"
_PUBLIC_URL = ("public_base_url_path_mismatch", "public_base_url_precedence", "login_public_url")

#: All of them, the gravest first. Each is looked at, whatever the others have found.
RULES = (
    Rule("trusts_everyone", Level.ERROR, _TRUST, trust_rules.trusts_everyone),
    Rule("missing_extra", Level.ERROR, _SERVED, protection_rules.missing_extra),
    Rule("public_base_url_path_mismatch", Level.ERROR, _TRUST, trust_rules.path_mismatch),
    Rule("public_base_url_not_allowed", Level.ERROR, _PROTECTION, trust_rules.host_not_allowed),
    Rule("readable_secret", Level.WARNING, "settings.html", protection_rules.readable_secret),
    Rule("open_operations", Level.WARNING, _SERVED, protection_rules.open_operations),
    Rule("forwarded_allow_ips_missing", Level.WARNING, _TRUST, trust_rules.networks_missing),
    Rule("body_limit_missing", Level.WARNING, _HOP, trust_rules.body_limit_missing),
    Rule("login_public_url", Level.WARNING, _TRUST, trust_rules.login_public_url),
    Rule("login_without_https", Level.WARNING, _TRUST, trust_rules.login_without_https),
    Rule("public_base_url_precedence", Level.WARNING, _TRUST, trust_rules.other_public_url),
    Rule("root_path_without_trust", Level.WARNING, _TRUST, trust_rules.root_without_trust),
    Rule("cors_without_security_headers", Level.WARNING, _PROTECTION, protection_rules.cors_alone),
    Rule("policy_misfit", Level.WARNING, _PROTECTION, protection_rules.policy_misfit),
    Rule("low_read_timeout", Level.WARNING, _HOP, protection_rules.low_read_timeout),
    Rule("sessions_in_memory", Level.WARNING, "sessions.html", protection_rules.memory_sessions),
)


class StartRefused(ConfigError):
    """A strict start is refused; a line for each finding."""

    def __init__(self, name: str, source: str, found: t.Sequence[Advice]) -> None:
        super().__init__(name, True, source=source, expected="nothing to advise against")
        self.found = tuple(found)

    def __str__(self) -> str:
        return "\n".join(f"{self.name}: {advice.message} ({advice.code})" for advice in self.found)


def advise(settings: FluxSyncSettings, environ: t.Mapping[str, str] | None = None) -> list[Advice]:
    """Return what is advised against, the gravest first.

    :param environ: Variables of the process that serves; this one's if not given.
    """
    situation = Situation(settings, pathlib.Path.cwd(), os.environ if environ is None else environ)
    found = []
    for rule in RULES:
        strict = settings.strict_public_base_url and rule.code in _PUBLIC_URL
        level = Level.ERROR if strict else rule.level
        found += [Advice(rule.code, level, text, rule.doc) for text in rule.check(situation)]
    return sorted(found, key=lambda advice: advice.level is not Level.ERROR)


def enforce(settings: FluxSyncSettings) -> None:
    """Refuse the start if the settings want it strict, and something is advised against.

    :raise StartRefused: It's refused.
    """
    names = [n for n in ("strict_startup", "strict_public_base_url") if getattr(settings, n)]
    if not names:
        return
    found = advise(settings)
    if not settings.strict_startup:
        found = [advice for advice in found if advice.code in _PUBLIC_URL]
    if found:
        raise StartRefused(names[0], settings.source(names[0]), found)
