"""What is shown of settings that are secrets, or have some in them."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import unquote

#: What is shown of a secret.
MASK = "***"

#: Names and passwords, and what options of a URL say. Passwords that should have been encoded
#: have slashes, spaces and the like.
_IN_URL = re.compile(r"(?s)(?<=://)[^@]*:.*@|(?<=[?&])([^=&\s]*)=[^&]*")

#: Options of URLs.
_SECRET_OPTION = re.compile(r"(?i)pass|pwd|secret|token|credential")
#: Options of programs, and header fields.
_SECRET_NAME = re.compile(
    r"(?i)pass(?!ive)|pwd|secret|token|credential|api[_-]?key|authorization|cookie$"
)


class Secret:
    """Marks a setting whose value is never shown."""


class HidesPassword:
    """Marks a setting of URLs, whose passwords and options are never shown."""


class HidesNamed:
    """Marks options or header fields; what belongs to a name that tells of a secret isn't shown."""


def shown(marks: t.Iterable[object], value: t.Any) -> t.Any:
    """Return a setting's value as it may be seen by others.

    :param marks: The field's ``metadata``.
    """
    for mark in marks:
        if isinstance(mark, Secret) and value:
            return MASK
        if isinstance(mark, HidesPassword):
            if isinstance(value, (list, tuple)):
                return type(value)(hide_password(str(url)) for url in value)
            return hide_password(value) if isinstance(value, str) else MASK
        if isinstance(mark, HidesNamed):
            return _hide_named(value)
    return value


def secrets(marks: t.Iterable[object], value: t.Any) -> t.Iterator[str]:
    """Yield what a setting's value has of secrets.

    :param marks: The field's ``metadata``.
    """
    for mark in marks:
        if isinstance(mark, Secret) and value:
            yield value
        elif isinstance(mark, HidesPassword):
            urls = [value] if isinstance(value, str) else value
            for found in (match for url in urls for match in _IN_URL.finditer(str(url))):
                if found[1] and not _SECRET_OPTION.search(found[1]):
                    continue  # any text of a log may have it: sslmode=verify-full
                secret = found[0].partition("=" if found[1] else ":")[2]
                secret = secret if found[1] else secret[:-1]
                # Drivers that complain about one have decoded it.
                yield from {secret, unquote(secret)}
        elif isinstance(mark, HidesNamed):
            yield from (secret for _, secret in _named(value) if secret)


def hide_password(url: str) -> str:
    """Return a URL without name and password, and without what its options say."""
    return _IN_URL.sub(lambda m: f"{m[1]}={MASK}" if m[1] else f"{MASK}@", url)


def _named(value: t.Any) -> t.Iterator[tuple[str, str]]:
    """Yield each part of options or header fields, without what is secret, and the latter."""
    if isinstance(value, dict):
        for name, said in value.items():
            yield name, str(said) if _SECRET_NAME.search(name) else ""
        return
    is_next = False
    for option in value:
        name, sign, said = option.partition("=")
        if is_next and not option.startswith("-"):
            yield "", option
        elif sign and _SECRET_NAME.search(name):
            yield name + sign, said
        else:
            yield option, ""
        # Streamlit takes "--name value" as well.
        is_next = not sign and option.startswith("-") and bool(_SECRET_NAME.search(name))


def _hide_named(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: MASK if secret else value[name] for name, secret in _named(value)}
    if isinstance(value, tuple):
        return tuple(part + MASK if secret else part for part, secret in _named(value))
    # It's neither, and the error says so.
    return MASK if _SECRET_NAME.search(str(value)) else value
