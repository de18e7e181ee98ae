"""Keep secrets out of what is written down. No I/O."""

from __future__ import annotations

import re

MASK = "***"

#: Parts of names whose values are secrets.
_SENSITIVE_NAME = (
    r"(?:[\w-]*(?:token|secret|passw(?:or)?d|passwd|api_?key|apikey|credential|signature)[\w-]*"
    r"|auth(?:orization)?|auth_code|code|state|sid|session|[\w]*_sid|sig|key|jwt|assertion)"
)
_QUERY = re.compile(rf"(?i)((?:^|[?&;])(?:{_SENSITIVE_NAME})=)[^&;#\s]+")
_ASSIGNMENT = re.compile(
    r"(?i)\b([\w.-]*(?:token|secret|password|passwd|api_?key|credential)[\w.-]*[\"']?\s*[=:]\s*[\"']?)"
    r"([^\s\"',;&]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_USERINFO = re.compile(r"(\w+://)[^\s/@:]*:[^\s/@]+@")


def redact_query(query: str) -> str:
    """Mask the values of a query string's secret parameters, leave the rest untouched."""
    return _QUERY.sub(rf"\1{MASK}", query) if query else query


def redact_text(text: str) -> str:
    """Mask what looks like a secret in free text, such as another program's output."""
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _ASSIGNMENT.sub(rf"\1{MASK}", text)
