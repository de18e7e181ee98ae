"""Which content coding a client gets (RFC 9110 12.5.3). No I/O."""

from __future__ import annotations

import functools
import re

#: RFC 9110 12.4.2: three digits at most, and nothing over 1.
_WEIGHT = re.compile(r"[qQ][ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")

#: Not encoded at all.
IDENTITY = "identity"

#: RFC 9110 8.4.1.3: "a recipient SHOULD consider "x-gzip" to be equivalent to "gzip"".
_ALIASES = {"x-gzip": "gzip"}


@functools.lru_cache(maxsize=256)
def choose(accept: str, available: tuple[str, ...]) -> str:
    """Return the content coding for a client.

    :param accept: ``Accept-Encoding``; ``""`` if there's none. A client that says nothing
        takes anything, but may be one that only knows plain files.
    :param available: Codings that there are besides :data:`IDENTITY`, best first. Of those
        that the client likes equally, it gets the first.
    """
    weights = parse(accept)
    rest = weights.get("*", 0.0)
    best, best_weight = IDENTITY, weights.get(IDENTITY, 0.0)
    # Reversed, so that the first of equals is the last to win; and anything beats an
    # identity that wasn't asked for, even by the asterisk.
    for coding in reversed(available):
        weight = weights.get(coding, rest)
        if weight > 0 and weight >= best_weight:
            best, best_weight = coding, weight
    return best


def parse(accept: str) -> dict[str, float]:
    """Return the weight of each coding in ``Accept-Encoding``; malformed members are left out."""
    weights: dict[str, float] = {}
    for member in accept.split(","):
        coding, semicolon, parameter = member.partition(";")
        coding = coding.strip(" \t").lower()
        if not coding:
            continue
        weight = 1.0
        if semicolon:
            match = _WEIGHT.fullmatch(parameter.strip(" \t"))
            if match is None:
                continue
            weight = float(match[1])
        weights[_ALIASES.get(coding, coding)] = weight
    return weights
