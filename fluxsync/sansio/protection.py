"""Fields of all answers that tell browsers to be careful. No I/O."""

from __future__ import annotations

import re
import typing as t

from . import headers as _headers
from .cors import PREFIX

if t.TYPE_CHECKING:
    from ..typing import Headers

HSTS = "Strict-Transport-Security"
CSP = "Content-Security-Policy"

#: What is sent unless the settings say otherwise.
DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    # The page may ask for camera, microphone and place, as st.camera_input, st.audio_input and
    # components do, whose frames are of the same origin; frames of others may not. No widget has
    # a use for the devices. What isn't named stays as it is: clipboard, fullscreen, autoplay.
    "Permissions-Policy": (
        "camera=(self), microphone=(self), geolocation=(self), "
        "bluetooth=(), hid=(), midi=(), payment=(), serial=(), usb=()"
    ),
    # Two years, as hstspreload.org proposes.
    HSTS: "max-age=63072000; includeSubDomains",
}

#: Stands for a nonce in a policy.
NONCE = "{nonce}"
_SOURCE = "'nonce-{nonce}'"
#: RFC 9110 5.5, of which policies (Content Security Policy 3, 2.2) need visible ASCII only.
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_DIRECTIVE = re.compile(r"[a-z-]+(?: [^,;]*)?")


class Added(t.NamedTuple):
    """What an answer's head gets besides what is there. Travels as JSON."""

    #: Fields for which the application's own word counts, if there is one.
    defaults: tuple[tuple[str, str], ...] = ()
    #: ``Vary``, and fields that replace all that anybody else says about CORS; ``None`` is: let
    #: them say it.
    cors: tuple[tuple[str, str], ...] | None = None

    def to(self, fields: Headers) -> Headers:
        """Return an answer's fields with these."""
        names = {name.lower() for name, _ in fields}
        result = [*fields]
        if self.cors is not None:
            result = [field for field in fields if not field[0].lower().startswith(PREFIX)]
            varies = set(_headers.tokens(_headers.get(fields, "vary")))
            for name, value in self.cors:
                if name != "Vary" or not {*_headers.tokens(value), "*"} & varies:
                    result.append((name, value))
        result += [field for field in self.defaults if field[0].lower() not in names]
        return result

    @classmethod
    def from_json(cls, data: t.Sequence[t.Any]) -> Added:
        """Return it from JSON types."""
        defaults, cors = data
        pairs = [None if part is None else tuple(map(tuple, part)) for part in (defaults, cors)]
        return cls(*t.cast(t.Any, pairs))


#: Nothing.
NOTHING = Added()


class Protection:
    """The fields that are added by default.

    :param own: Fields that the settings name, over :data:`DEFAULTS`; an empty value takes one
        away. ``None`` is: no fields at all, but the policy.
    :param policy: Content-Security-Policy, maybe with :data:`NONCE` in it.
    """

    def __init__(self, own: t.Mapping[str, str] | None, policy: str = "") -> None:
        merged = {} if own is None else {**{n.lower(): (n, v) for n, v in DEFAULTS.items()}}
        merged.update((name.lower(), (name, value)) for name, value in (own or {}).items())
        fields = tuple(field for field in merged.values() if field[1])
        self._fields = {
            # RFC 6797 7.2: not over plain HTTP.
            "http": tuple(field for field in fields if field[0].lower() != HSTS.lower()),
            "https": fields,
        }
        self._policy = policy
        #: Whether each answer has a nonce.
        self.has_nonce = NONCE in policy

    def fields(self, scheme: str, nonce: str) -> tuple[tuple[str, str], ...]:
        """Return the fields of an answer.

        :param scheme: Scheme of the client's connection, as it's believed.
        :param nonce: Goes into the policy.
        """
        fields = self._fields[scheme]
        return (*fields, (CSP, self._policy.replace(NONCE, nonce))) if self._policy else fields


def policy_defect(policy: str) -> str:
    """Say what a Content-Security-Policy has to be, or ``""`` if it's fine."""
    if not _VISIBLE.fullmatch(policy):
        return "one line of ASCII"
    for directive in filter(None, map(str.strip, policy.split(";"))):
        if not _DIRECTIVE.fullmatch(directive):
            return "directives such as default-src 'self', separated by ';'"
    if policy.replace(_SOURCE, "").count("{"):
        return f"no braces but those of {_SOURCE}, in quotes"
    return ""
