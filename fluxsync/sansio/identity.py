"""Who the user is, where the host has found that out. No I/O."""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote

if t.TYPE_CHECKING:
    from ..typing import Headers

#: Posit Connect's field: ``{"user": "ada", "groups": ["staff"]}``, absent for anonymous users.
CONNECT_CREDENTIALS = "rstudio-connect-credentials"

#: Fields that tell Streamlit, and under which keys of ``st.user`` it shows them. Nobody else
#: may send these (:data:`~fluxsync.sansio.forwarding.OWN_PREFIX`).
STREAMLIT_FIELDS = {"X-Fluxsync-User": "name", "X-Fluxsync-Groups": "groups"}

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
    is_known = isinstance(name, str) and name and isinstance(groups, list)
    if not is_known or not all(isinstance(group, str) for group in groups):
        return None
    return User(t.cast(str, name), tuple(groups))


def streamlit_fields(user: User) -> Headers:
    """Return the fields that tell Streamlit about a user.

    Header fields are ASCII: other characters of the name, and percent signs, are
    percent-encoded; the groups are JSON.
    """
    return [
        ("X-Fluxsync-User", quote(user.name, safe=_PLAIN)),
        ("X-Fluxsync-Groups", json.dumps(user.groups)),
    ]
