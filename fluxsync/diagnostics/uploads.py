"""Decide on uploads. No I/O."""

from __future__ import annotations

import typing as t

from . import remedies
from .arrivals import describe, said
from .findings import Finding, Hop, ok, problem, warning
from .observations import Trouble

if t.TYPE_CHECKING:
    from .observations import Answer, Upload

_MEGABYTE = 1024 * 1024


def sizes(largest: int) -> list[int]:
    """Return how large the uploads are to be, from the largest down, in bytes."""
    smaller = [size * _MEGABYTE for size in (25, 5) if size * _MEGABYTE < largest]
    # nginx's own limit is a megabyte, and counts what is around the file too.
    return [largest, *smaller, *([_MEGABYTE // 2] if largest > _MEGABYTE // 2 else [])]


def is_refused(answer: Answer) -> bool:
    """Whether a smaller upload may fare better."""
    return answer.status == 413 or answer.trouble is Trouble.BROKEN


def judge(upload: Upload) -> Finding:
    """Return how large uploads may be."""
    size, answer = upload.answers[0]
    passed = [size for size, answer in upload.answers if not is_refused(answer)]
    if not is_refused(answer):
        return _passed(size, answer)
    limit = f"; {_shown(passed[0])} pass" if passed else ""
    if answer.is_gateways and answer.status == 413:
        text = f"Uploads of {_shown(size)} are refused{limit}: {said(answer)}."
        return warning("upload", Hop.GATEWAY, text)
    text = f"The proxy refuses uploads of {_shown(size)}{limit}: one {describe(answer)}."
    return problem("upload", Hop.PROXY, text, remedies.write("body", answer.get("server")))


def _passed(size: int, answer: Answer) -> Finding:
    if answer.trouble is Trouble.TIMEOUT:
        text = f"An upload of {_shown(size)} {describe(answer)}; a longer --timeout may help."
        return warning("upload", Hop.PROXY, text)
    if answer.is_gateways:
        return ok("upload", f"{_shown(size)} pass")
    return problem("upload", Hop.PROXY, f"An upload of {_shown(size)} {describe(answer)}.")


def _shown(size: int) -> str:
    return f"{size / _MEGABYTE:g} MB"
