"""Questions to an identity provider: documents in JSON, and its token endpoint."""

from __future__ import annotations

import json
import time
import typing as t
from urllib.parse import quote

import requests
import urllib3

from ..exceptions import ProviderError, ProviderTimeoutError
from ..sansio.login import is_secure

#: Most bytes of an answer. Documents and tokens have some thousand.
_MOST = 1 << 20
_PIECE = 1 << 14


class Answer(t.NamedTuple):
    """What a token endpoint says (RFC 6749 5)."""

    status: int
    content: dict[str, t.Any]


def get_json(url: str, timeout: float) -> dict[str, t.Any]:
    """Return a JSON object.

    :param timeout: Seconds for a connection, and for the longest silence.
    :raise ProviderError: There's no such thing at this URL.
    """
    answer = _ask("GET", url, timeout, headers={"Accept": "application/json"})
    if answer.status != 200:
        raise ProviderError(f"{url} answers {answer.status}")
    return answer.content


def post_token_request(
    url: str,
    form: t.Mapping[str, str],
    timeout: float,
    basic: tuple[str, str] | None = None,
) -> Answer:
    """Ask a token endpoint, whose errors have a status of their own.

    :param timeout: Seconds for a connection, and for the longest silence.
    :param basic: Id and secret, for ``client_secret_basic``.
    :raise ProviderError: There's no answer, or it isn't one.
    """
    # RFC 6749 2.3.1: id and secret are encoded like a form's, and so may have colons.
    pair = tuple(quote(text, safe="") for text in basic) if basic else None
    auth = requests.auth.HTTPBasicAuth(*pair) if pair else _nobody
    return _ask(
        "POST", url, timeout, data=dict(form), auth=auth, headers={"Accept": "application/json"}
    )


class _Session(requests.Session):
    """Follows no redirects: these URLs are final, and what is sent has secrets.

    To be told so with each request isn't enough: requests then still reads all of the answer,
    however large it is, to say where it would have gone.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return ``None``."""


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # Without it, requests looks into ~/.netrc.
    return request


def _ask(method: str, url: str, timeout: float, **request: t.Any) -> Answer:
    if not is_secure(url):
        raise ProviderError(f"{url} isn't an https URL")
    request.setdefault("auth", _nobody)
    deadline = time.monotonic() + timeout
    try:
        # Proxies of the environment are asked: providers are somewhere else.
        with (
            _Session() as session,
            session.request(method, url, timeout=timeout, stream=True, **request) as response,
        ):
            body = _read(response, url, deadline)
            status = response.status_code
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as e:
        raise ProviderTimeoutError(f"{url} doesn't answer within {timeout:g} s") from e
    except (requests.RequestException, urllib3.exceptions.HTTPError) as e:
        # Its text has the request's URL, but never what was posted.
        raise ProviderError(f"{url} can't be reached: {type(e).__name__}") from e
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ProviderError(f"{url} answers {status} without a JSON object")
    return Answer(status, content)


def _read(response: requests.Response, url: str, deadline: float) -> bytes:
    body = bytearray()
    # What is there, and not so many bytes: who sends one now and then would be waited for until
    # they are complete.
    while piece := response.raw.read1(_PIECE, decode_content=True):
        body += piece
        if len(body) > _MOST:
            raise ProviderError(f"{url} answers more than {_MOST} bytes")
        if time.monotonic() > deadline:
            raise ProviderTimeoutError(f"{url} takes too long to answer")
    return bytes(body)
