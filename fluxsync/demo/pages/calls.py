"""Calls from a page to the API, and what a person reads when one fails."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import requests

    from fluxsync import ApiClient

UNREACHABLE = "The API cannot be reached at the moment. Please try again."


class CallFailed(Exception):
    """The API didn't do what it was asked for; the message is for the person at the page.

    :param fields: What's wrong with each field of the body, when that's the reason.
    """

    def __init__(self, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}


def read(st: ModuleType, client: ApiClient, path: str, **query: object) -> t.Any:
    """Return the JSON at a path of the API; on failure, say so on the page and end its run."""
    try:
        return answer(lambda: client.get(path, params=query))
    except CallFailed as e:
        st.error(str(e))
        st.stop()


def answer(call: Callable[[], requests.Response]) -> t.Any:
    """Make a call and return the JSON of its answer.

    :raise CallFailed: There was no answer, or it's an error.
    """
    try:
        response = call()
        content = response.json()
    # Whatever requests raises is an OSError, also for an answer that isn't JSON.
    except OSError as e:
        raise CallFailed(UNREACHABLE) from e
    if not response.ok:
        raise refusal(response.status_code, content)
    return content


def refusal(status: int, problem: dict[str, t.Any]) -> CallFailed:
    """Explain an error of the API.

    :param problem: The answer's JSON (RFC 9457); with ``errors`` if fields of the body are wrong.
    """
    fields = {str(error["loc"][-1]): error["msg"] for error in problem.get("errors", [])}
    if fields:
        return CallFailed("The API did not accept this.", fields)
    return CallFailed(problem.get("detail") or f"The API answered with an error ({status}).")
