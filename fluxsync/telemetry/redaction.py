"""Keep secrets out of what is written down. No I/O.

Whatever is masked, is masked in place: the rest stays as it was, also its encoding. What is masked
already stays as it is.
"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import unquote_plus

MASK = "***"

# Lookaheads find the telling part of a name, then the name is matched as a whole: a pattern
# with free text on both sides of that part takes time with the square of the name's length.
_SENSITIVE_PART = (
    r"token|secret|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key|access[_-]?key|credential"
)
#: Names that are telling as a whole, and too common as parts of others.
_SENSITIVE_NAME = (
    r"auth(?:orization)?|auth_code|code|state|sid|session|session_?id|\w*_sid|sig|key|jwt"
    r"|assertion|pwd|pass"
)
# A name ends where the next one may begin, or each "?" would have the rest be read once more.
_QUERY = re.compile(
    rf"(?i)((?:^|[?&;])(?:(?=[^?=&;]*(?:{_SENSITIVE_PART}|signature))[^?=&;]*|{_SENSITIVE_NAME})=)"
    r"[^&\s]+"
)
#: A parameter whose name may be encoded: "%74oken" is a token for whoever reads it.
_PARAMETER = re.compile(r"((?:^|[?&;])([^?=&;]*)=)([^&\s]+)")
#: A query within a text. Its values end where the text goes on.
_QUERY_IN_TEXT = re.compile(rf"(?i)([?&](?:{_SENSITIVE_NAME}|\w*signature)=)[^&\s\"'<>]+")
#: An id of a URL session (:mod:`fluxsync.sessions.ids`), in whichever parameter, and a JWT.
_SESSION_ID = re.compile(r"(?<![\w.-])[\w-]{43}\.[\w-]{43}(?![\w.-])")
#: Parts of paths behind which random text is a secret, as in links of e-mails. Below upload_file,
#: Streamlit has the id of a browser's session.
_SECRET_FOLLOWS = re.compile(
    rf"(?is)(?=.*(?:{_SENSITIVE_PART})).*|(?:{_SENSITIVE_NAME})s?|upload_file"
    r"|(?:magic|invit|reset|verif|confirm|unsubscri).*"
)
#: A part that is longer than words and numbers of records are.
_LONG_PART = re.compile(r"/([^/]{16,})")
_DIGIT = re.compile(r"\d")
_PATH = re.compile(r"/[^\s\"'?,]+")
#: A request as servers log it, and Flask.
_REQUEST = re.compile(r"\b(?:[A-Z]{3,7}|Exception on) /[^\s\"'?]+")
#: Shorter texts have no id of a URL session.
_LEAST_WITH_ID = 43 + 1 + 43
#: Its first part is read once, from its beginning, however often "eyJ" is in it.
_JWT = re.compile(r"(?<![\w-])(?=[\w-]*\beyJ[\w-]{8})[\w-]+\.[\w-]{8,}\.[\w-]*")
_JWT_START = re.compile(r"\beyJ")
# The name of a variable, parameter, key or header; a sign; a value, which may be quoted, or a list
# or an object of such. Between two quoted texts, the sign may be a comma: header fields are often
# shown as pairs.
_ASSIGNMENT = re.compile(
    rf"(?i)(?<![\w.-])"
    rf"((?:(?=[\w.-]*(?:{_SENSITIVE_PART}))[\w.-]+|(?:\w+_)?sid|pwd)"
    r"(?:[\"']?\s*[=:]|[\"']\s*,(?=\s*b?[\"']))\s*b?)"
    r"(?:(\")(?:[^\"\\]|\\.)*\"?|(')(?:[^'\\]|\\.)*'?"
    r"|(?:\[[^\]\r\n]*\]?|\{[^}\r\n]*\}?)[^\s\"',;&]*|[^\s\"',;&]+)"
)
#: Header fields whose whole value counts, however many words it has (RFC 9110 11.6, RFC 6265).
_FIELD = re.compile(
    r"(?i)(?<![\w])((?:http_|proxy[-_]){0,3}authorization|(?:http_)?(?:set-)?cookie)"
    r"(?:([\"']\s*[:,]\s*b?)(?:(\")(?:[^\"\\]|\\.)*\"?|(')(?:[^'\\]|\\.)*'?)"
    r"|(:\s*)(?=[^\s])[^\r\n]+|(=)[^\s\"',;&]+)"
)
_SECRET_NAME = re.compile(rf"(?i){_SENSITIVE_PART}|signature|cookie|^(?:{_SENSITIVE_NAME})$")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
# A password that should have been encoded may have slashes; behind a port, they begin a path.
_USERINFO = re.compile(
    r"(?<=://)(?:[^\s/@:]*:(?!\d{1,5}(?:[/?#]|$))[^\s@]{0,256}@(?:[^\s/@]{0,256}@)?|[^\s/@?#]+@)"
)
#: What there has to be in a text that has a secret, but for the ones below.
_SIGNS = re.compile(r"[=:]|earer|asic|EARER|ASIC|eyJ|[\"'],")

#: Shorter ones would be found by chance.
_LEAST = 8
_known: tuple[str, ...] = ()


def hide(values: t.Iterable[str]) -> None:
    """Have these texts masked wherever they are, from now on, in this process.

    Those of fewer than eight characters aren't: they may be a part of anything.
    """
    global _known
    fresh = {value for value in values if len(value) >= _LEAST}
    # The longest first: one may be a part of another one.
    _known = tuple(sorted({*_known, *fresh}, key=lambda value: (-len(value), value)))


def is_secret_name(name: str) -> bool:
    """Whether what has this name is probably a secret."""
    return bool(_SECRET_NAME.search(name))


def redact_query(query: str) -> str:
    """Mask the values of a query string's secret parameters, leave the rest untouched."""
    if not query:
        return query
    query = _QUERY.sub(rf"\1{MASK}", query)
    if "%" in query:
        query = _PARAMETER.sub(_mask_parameter, query)
    return _SESSION_ID.sub(MASK, query)


def redact_parameter(query: str, name: str) -> str:
    """Mask the values of a query string's parameter, whatever its name is."""
    if name not in query:
        return query
    return re.sub(rf"((?:^|[?&;]){re.escape(name)}=)[^&\s]+", rf"\1{MASK}", query)


def redact_path(path: str) -> str:
    """Mask what looks like a secret in a path, which may have the root path removed.

    :param path: Decoded.
    """
    path = _LONG_PART.sub(_mask_part, redact_text(path))
    return path if len(path) < _LEAST_WITH_ID else _SESSION_ID.sub(MASK, path)


def redact_paths(text: str) -> str:
    """Mask what looks like a secret in the paths of a text, all of which are those of requests."""
    return _PATH.sub(_mask_parts, text)


def redact_text(text: str) -> str:
    """Mask what looks like a secret in free text, such as another program's output."""
    for value in _known:
        if value in text:
            text = text.replace(value, MASK)
    if " /" in text:
        text = _REQUEST.sub(_mask_parts, text)
    if not _SIGNS.search(text):
        return text
    if "://" in text:
        text = _USERINFO.sub(f"{MASK}@", text)
    text = _FIELD.sub(_mask_field, text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    if "eyJ" in text:
        text = _JWT.sub(_mask_jwt, text)
    text = _ASSIGNMENT.sub(rf"\1\2\3{MASK}\2\3", text)
    if "=" in text:
        text = _SESSION_ID.sub(MASK, _QUERY_IN_TEXT.sub(rf"\1{MASK}", text))
    return text


def _mask_part(found: re.Match[str]) -> str:
    path, at = found.string, found.start()
    name = path[path.rfind("/", 0, at) + 1 : at]
    is_secret = _SECRET_FOLLOWS.fullmatch(name) and _DIGIT.search(found[1])
    return f"/{MASK}" if is_secret else found[0]


def _mask_parts(found: re.Match[str]) -> str:
    return _LONG_PART.sub(_mask_part, found[0])


def _mask_field(found: re.Match[str]) -> str:
    name, sign, double, single, colon, equals = found.groups()
    quote = double or single or ""
    return f"{name}{sign or colon or equals}{quote}{MASK}{quote}"


def _mask_parameter(found: re.Match[str]) -> str:
    begin, name, value = found.groups()
    is_secret = "%" in name and _QUERY.match(f"{unquote_plus(name)}=x")
    return begin + (MASK if is_secret else value)


def _mask_jwt(found: re.Match[str]) -> str:
    # What leads to it stays.
    before = _JWT_START.split(found[0], maxsplit=1)[0]
    return before + MASK
