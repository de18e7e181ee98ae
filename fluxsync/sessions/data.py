"""What a session may hold, and how it's written: JSON text.

JSON's own types come back as they were, except that tuples come back as lists. Dates, times and
decimals come back, too. No I/O.
"""

from __future__ import annotations

import collections.abc
import datetime
import decimal
import json
import math
import re
import typing as t

from ..exceptions import SessionError

#: Largest session, in characters of its text.
MAX_BYTES = 262_144

_LARGEST_BITS = 8192

#: An object with this name alone is a value that JSON has no type for.
_TAG = "__fluxsync__"

_TYPES: dict[str, tuple[type, t.Callable[[str], t.Any]]] = {
    # A datetime is a date as well, so it's the first.
    "datetime": (datetime.datetime, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.fromisoformat),
    "decimal": (decimal.Decimal, decimal.Decimal),
}

_CREDENTIAL = re.compile(
    r"(?i)token|secret|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key|credential"
    r"|authorization|bearer|cookie|jwt"
)
#: A JSON Web Token (RFC 7519): its first two parts are JSON objects.
_TOKEN = re.compile(r"(?i:bearer\s+\S)|eyJ[\w-]+\.eyJ[\w-]+\.")


def encode(data: t.Mapping[str, t.Any], max_bytes: int = MAX_BYTES) -> str:
    """Return a session's data as text.

    :raise SessionError: A value isn't JSON, or the whole is too large.
    """
    if not isinstance(data, collections.abc.Mapping):
        raise SessionError(f"session is of type {type(data).__name__}: expected a dict")
    try:
        text = json.dumps(_plain(dict(data), "session"), separators=(",", ":"))
    except RecursionError:
        raise SessionError("session: expected data of less depth, or without cycles") from None
    if len(text) > max_bytes:
        largest = max(data, key=lambda key: len(json.dumps(_plain(data[key], ""))))
        raise SessionError(
            f"session has {len(text)} bytes: expected {max_bytes} at most; "
            f"{largest!r} is the largest of it"
        )
    return text


def decode(text: str | bytes) -> dict[str, t.Any]:
    """Undo :func:`encode`.

    :raise ValueError: It's something else.
    """
    try:
        data = json.loads(text, object_hook=_untag)
    except (RecursionError, TypeError, decimal.InvalidOperation) as e:
        raise ValueError(str(e)) from e
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return data


def refuse_credentials(data: t.Mapping[str, t.Any]) -> None:
    """Refuse data that looks like what opens other doors: a session's id is in URLs.

    Numbers and truths may have any name: ``max_tokens=256`` opens nothing.

    :raise SessionError: It looks like a token or a password.
    """
    try:
        _refuse(data, "", is_credential=False)
    except RecursionError:
        raise SessionError("session: expected data of less depth, or without cycles") from None


def _plain(value: t.Any, path: str) -> t.Any:
    """Return a value in JSON's types."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        # Python itself reads and writes no more than 4300 digits.
        if value.bit_length() > _LARGEST_BITS:
            raise SessionError(f"{path}: expected an integer below 2**{_LARGEST_BITS}")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SessionError(f"{path}={value!r}: expected a finite number, as JSON has no other")
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{n}]") for n, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == _TAG:
                expected = "texts" if not isinstance(key, str) else "another name"
                raise SessionError(f"{path} has the key {key!r}: expected {expected}")
        return {key: _plain(item, f"{path}[{key!r}]") for key, item in value.items()}
    for name, (kind, _) in _TYPES.items():
        if type(value) is kind:
            return {_TAG: [name, value.isoformat() if hasattr(value, "isoformat") else str(value)]}
    kind = type(value)
    raise SessionError(
        f"{path} is of type {kind.__module__}.{kind.__qualname__}: "
        "expected JSON, a date, a time or a decimal"
    )


def _untag(value: dict[str, t.Any]) -> t.Any:
    if _TAG not in value:
        return value
    name, text = value[_TAG]
    if name not in _TYPES:
        raise ValueError(f"unknown type {name!r}")
    return _TYPES[name][1](text)


def _refuse(value: t.Any, path: str, *, is_credential: bool) -> None:
    if isinstance(value, (str, bytes)) and value:
        if is_credential:
            raise SessionError(
                f"{path}='***': expected no credentials in a URL session; "
                "keep it in st.session_state alone"
            )
        if isinstance(value, str) and _TOKEN.match(value):
            raise SessionError(
                f"{path}='***' looks like a token: expected no credentials in a URL session"
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = f"{path}[{key!r}]" if path else repr(key)
            named = is_credential or bool(_CREDENTIAL.search(str(key)))
            _refuse(item, inner, is_credential=named)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for n, item in enumerate(value):
            _refuse(item, f"{path}[{n}]", is_credential=is_credential)
