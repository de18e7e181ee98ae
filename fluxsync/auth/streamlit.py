"""The pages' side of a login: the token, and a client that sends it.

A token is kept in ``st.session_state``, which is in the memory of Streamlit's process. It isn't for
URL sessions, whose ids are seen by others.
"""

from __future__ import annotations

import base64
import json
import time
import typing as t

from ..upstream.client import ApiClient, shared_client
from .pending import COOKIE

SESSION_KEY = "fluxsync_access_token"
#: What the API answers to a code that is used, too old, or of another browser.
_REFUSED = 401


def bearer_headers_from_session(st: t.Any, *, session_key: str = SESSION_KEY) -> dict[str, str]:
    """Return the header fields for the user's token; none without a token.

    :param st: The :mod:`streamlit` module.
    :param session_key: Key of the token in ``st.session_state``.
    """
    token = _token(st, session_key)
    return {"Authorization": f"Bearer {token}"} if token else {}


def exchange_auth_code_from_query(
    st: t.Any,
    client: ApiClient,
    *,
    exchange_path: str = "/auth/exchange",
    query_key: str = "auth_code",
    session_key: str = SESSION_KEY,
) -> str | None:
    """Redeem the one-time code of the page's URL, and keep the token.

    The code is removed from the URL, and works only in the browser that has logged in.

    :param client: Reaches the API.
    :return: The token; ``None`` if the URL has no code.
    :raise requests.HTTPError: The API doesn't take the code.
    :raise ValueError: The API's answer has no token.
    """
    response = _exchange(st, client, exchange_path, query_key)
    if response is None:
        return None
    response.raise_for_status()
    return _keep(st, response, session_key)


def prepare_streamlit_api_client(
    st: t.Any,
    *,
    exchange_path: str = "/auth/exchange",
    session_key: str = SESSION_KEY,
    **client_options: t.Any,
) -> ApiClient:
    """Return a client that sends the user's token, as soon as there's one.

    A code in the page's URL is redeemed first. One that is used or of another browser, as after
    a reload, is the same as none.

    :param client_options: Arguments of :class:`~fluxsync.ApiClient`; without any, the client is the one
        of all pages.
    :raise requests.RequestException: The API doesn't answer.
    """
    token = _token(st, session_key)
    client = ApiClient(**client_options) if client_options else shared_client()
    if not token:
        response = _exchange(st, client, exchange_path, "auth_code")
        if response is not None and response.status_code != _REFUSED:
            response.raise_for_status()
            token = _keep(st, response, session_key)
    return client.with_bearer(token) if token else client


def _exchange(st: t.Any, client: ApiClient, path: str, query_key: str) -> t.Any:
    code = st.query_params.get(query_key)
    if isinstance(code, list):
        code = code[0] if code else None
    if not code:
        return None
    # Also if it's refused: it never will be taken.
    st.query_params.pop(query_key, None)
    cookies = getattr(getattr(st, "context", None), "cookies", None) or {}
    return client.post(path, json={"code": code, "browser": cookies.get(COOKIE) or ""})


def _keep(st: t.Any, response: t.Any, session_key: str) -> str:
    content = response.json()
    token = content.get("access_token") if isinstance(content, dict) else None
    if not isinstance(token, str) or not token:
        raise ValueError("the API's answer has no access_token")
    st.session_state[session_key] = token
    return token


def _token(st: t.Any, session_key: str) -> str:
    """Return the token, unless it's over; the API decides whether it's valid."""
    token = st.session_state.get(session_key)
    if not isinstance(token, str) or not token:
        return ""
    if _expiry(token) <= time.time():
        del st.session_state[session_key]
        return ""
    return token


def _expiry(token: str) -> float:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return float("inf")  # not ours to read
