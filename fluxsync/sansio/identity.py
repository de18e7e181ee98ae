"""Who the user is, where the host has found that out. No I/O."""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote

if t.TYPE_CHECKING:
    from ..typing import Headers

#: Posit Connect's field: ``{"user": "ada", "groups": ["staff"]}``, absent for anonymous users.
CONNECT_CREDENTIALS = "rstudio-connect-credentials"

#: Fields that tell Streamlit. Nobody else may send what begins like these
#: (:data:`~fluxsync.sansio.forwarding.OWN_PREFIX`).
_USER, _GROUPS = "X-Fluxsync-User", "X-Fluxsync-Groups"

#: Printable ASCII but the percent sign.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if code != 0x25)


class User(t.NamedTuple):
    """A user whom the host has logged in."""

    name: str
    groups: tuple[str, ...] = ()


def from_connect(credentials: str) -> User | None:
    """Return the user whom Posit Connect names; ``None`` if it names nobody.

    What isn't understood names nobody: rather an anonymous user than a wrong one.

    :param credentials: The field's value, bytes as latin-1 (PEP 3333).
    """
    try:
        value = json.loads(credentials.encode("latin-1"))
    except (ValueError, RecursionError):
        return None
    name = value.get("user") if isinstance(value, dict) else None
    groups = value.get("groups") or [] if isinstance(value, dict) else []
    if not name or not isinstance(groups, list) or not all(map(_is_text, (name, *groups))):
        return None
    return User(t.cast(str, name), tuple(groups))


def _is_text(value: object) -> bool:
    """Whether it's a string of whole characters; JSON may have halves (RFC 8259 8.2)."""
    return isinstance(value, str) and not any(0xD800 <= ord(c) <= 0xDFFF for c in value)


def streamlit_names(secret: str) -> dict[str, str]:
    """Return the names of these fields, and under which keys of ``st.user`` they are.

    :param secret: Ends them, so that nobody else knows them.
    """
    return {_name(_USER, secret): "name", _name(_GROUPS, secret): "groups"}


def _name(field: str, secret: str) -> str:
    return f"{field}-{secret}" if secret else field


def streamlit_fields(user: User, secret: str) -> Headers:
    """Return the fields that tell Streamlit about a user.

    Header fields are ASCII: other characters of the name, and percent signs, are
    percent-encoded; the groups are JSON.
    """
    return [
        (_name(_USER, secret), quote(user.name, safe=_PLAIN)),
        (_name(_GROUPS, secret), json.dumps(user.groups)),
    ]
