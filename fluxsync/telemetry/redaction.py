"""Keep secrets out of what is written down. No I/O."""

from __future__ import annotations

import re

MASK = "***"

# Lookaheads find the telling part of a name, then the name is matched as a whole: a pattern
# with free text on both sides of that part takes time with the square of the name's length.
_SENSITIVE_PART = r"token|secret|passw(?:or)?d|api[_-]?key|credential"
_QUERY = re.compile(
    rf"(?i)((?:^|[?&;])(?:(?=[^=&;]*(?:{_SENSITIVE_PART}|signature))[^=&;]*"
    r"|auth(?:orization)?|auth_code|code|state|sid|session|\w*_sid|sig|key|jwt|assertion)=)[^&\s]+"
)
#: An id of a URL session (:mod:`fluxsync.sessions.ids`), in whichever parameter.
_SESSION_ID = re.compile(r"(?<==)[\w-]{43}\.[\w-]{43}(?![\w.-])")
_ASSIGNMENT = re.compile(
    rf"(?i)(?<![\w.-])((?=[\w.-]*(?:{_SENSITIVE_PART}))[\w.-]+[\"']?\s*[=:]\s*)"
    r"(?:(\")(?:[^\"\\]|\\.)*\"?|(')(?:[^'\\]|\\.)*'?|[^\s\"',;&]+)"
)
_SECRET_NAME = re.compile(
    rf"(?i){_SENSITIVE_PART}|signature|^(auth(orization)?|auth_code|code|state|sid|session"
    r"|\w*_sid|sig|key|jwt|assertion|cookie)$"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_USERINFO = re.compile(r"(?<=://)[^\s/@:]*:[^\s/]+@")


def is_secret_name(name: str) -> bool:
    """Whether what has this name is probably a secret."""
    return bool(_SECRET_NAME.search(name))


def redact_query(query: str) -> str:
    """Mask the values of a query string's secret parameters, leave the rest untouched."""
    return _SESSION_ID.sub(MASK, _QUERY.sub(rf"\1{MASK}", query)) if query else query


def redact_parameter(query: str, name: str) -> str:
    """Mask the values of a query string's parameter, whatever its name is."""
    if name not in query:
        return query
    return re.sub(rf"((?:^|[?&;]){re.escape(name)}=)[^&\s]+", rf"\1{MASK}", query)


def redact_text(text: str) -> str:
    """Mask what looks like a secret in free text, such as another program's output."""
    text = _USERINFO.sub(f"{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _ASSIGNMENT.sub(rf"\1\2\3{MASK}\2\3", text)
