"""Answer with a file that is known beforehand."""

from __future__ import annotations

import typing as t

from ..assets import conditions
from .files import OpenFile, send_file

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..assets.catalog import Variant
    from ..typing import StartResponse
    from .request import Request


def respond(
    request: Request, start_response: StartResponse, variant: Variant, offset: int = 0
) -> Iterable[bytes] | None:
    """Answer with a file, a part of it, or none of it if the client has it already.

    :param offset: Where the content begins in the file.
    :return: The body; ``None`` if the file isn't there or is another one.
    """
    answer = conditions.answer(request.environ, variant.validators, variant.size)
    if answer.status in (conditions.FAILED, conditions.UNSATISFIABLE):
        start_response(answer.status, answer.headers)
        return []
    if answer.status == conditions.NOT_MODIFIED:
        start_response(answer.status, variant.headers)
        return []
    headers = [*variant.headers, *variant.content_headers, *answer.headers]
    if request.method == "HEAD":
        start_response(answer.status, headers)
        return []
    try:
        file = OpenFile(variant.path)
    except OSError:
        return None
    if file.size != variant.size + offset or variant.changed not in (0, file.changed):
        file.close()
        return None
    at = offset + answer.offset
    return send_file(start_response, answer.status, headers, file, at, answer.length)
