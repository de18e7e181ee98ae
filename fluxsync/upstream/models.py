"""What the API answers, as the types that a page wants; and errors that say what was wrong."""

from __future__ import annotations

import functools
import http
import typing as t

import pydantic
import requests

from ..exceptions import FluxSyncError

#: Longest text of the API's that an error quotes.
_LONGEST = 300


class ApiStatusError(FluxSyncError, requests.HTTPError):
    """The API answered with an error, or with a redirect that isn't followed.

    :param method: What was asked.
    :param path: And of what; without the query, in which there may be secrets.
    """

    def __init__(self, method: str, path: str, response: requests.Response) -> None:
        #: Status code.
        self.status_code = response.status_code
        #: The answer's problem details (RFC 9457), or its JSON object; ``{}`` if it's none.
        self.problem = _problem(response)
        #: What went wrong, in the API's words; may be empty.
        self.detail = _detail(self.problem)
        text = f"{method} {path}: {self.status_code} {_phrase(self.status_code)}".rstrip()
        if self.detail:
            text += f": {self.detail}"
        super().__init__(text, response=response)


class ApiAnswerError(FluxSyncError, ValueError):
    """The API's answer isn't of the type that was asked for."""


def raise_for_status(method: str, path: str, response: requests.Response) -> None:
    """Raise the error that an answer is.

    :raise ApiStatusError: It's one.
    """
    # A redirect that has got here leads out of the API.
    if response.status_code >= 300 and response.status_code != 304:
        raise ApiStatusError(method, path, response)


def read(method: str, path: str, response: requests.Response, model: t.Any) -> t.Any:
    """Return an answer's JSON as a type.

    :param model: A pydantic model, or any type that pydantic knows: ``list[User]``.
    :raise ApiStatusError: The answer is an error.
    :raise ApiAnswerError: It isn't of that type.
    """
    raise_for_status(method, path, response)
    try:
        return _adapter(model).validate_json(response.content)
    except pydantic.ValidationError as e:
        # Not the values that came, of which some may be secrets.
        errors = e.errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join(f"{_place(error['loc'])}{error['msg']}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        name = getattr(model, "__name__", str(model))
        raise ApiAnswerError(f"{method} {path}: not a {name}: {said}{more}") from e


def dump(body: t.Any) -> bytes:
    """Return a value as JSON: a pydantic model, a data class, or what they're made of.

    :raise TypeError: It can't be written as JSON.
    """
    try:
        return pydantic.TypeAdapter(t.Any).dump_json(body)
    except pydantic.PydanticSchemaGenerationError as e:  # pragma: no cover
        raise TypeError(str(e)) from e
    except ValueError as e:
        raise TypeError(f"body can't be written as JSON: {e}") from e


def _adapter(model: t.Any) -> pydantic.TypeAdapter[t.Any]:
    try:
        return _kept_adapter(model)
    except TypeError:
        # Annotated with something that has no hash.
        return pydantic.TypeAdapter(model)


@functools.lru_cache(256)
def _kept_adapter(model: t.Any) -> pydantic.TypeAdapter[t.Any]:
    return pydantic.TypeAdapter(model)


def _place(location: t.Sequence[int | str]) -> str:
    return ".".join(map(str, location)) + ": " if location else ""


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _problem(response: requests.Response) -> dict[str, t.Any]:
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        found = response.json()
    except (ValueError, RecursionError):  # the latter if it's nested too deeply
        return {}
    return found if isinstance(found, dict) else {}


def _detail(problem: t.Mapping[str, t.Any]) -> str:
    detail = problem.get("detail") or problem.get("title") or ""
    if isinstance(detail, list):
        # FastAPI's, about a body.
        detail = "; ".join(
            _place(e["loc"] if isinstance(e.get("loc"), list) else ()) + str(e.get("msg", ""))
            for e in detail
            if isinstance(e, dict)
        )
    line = " ".join(str(detail).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
