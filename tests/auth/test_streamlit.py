"""The pages' side of a login; the API is a real one."""

from __future__ import annotations

import types
import typing as t

import flask
import pytest
import requests

from fluxsync import ApiClient
from fluxsync.auth import (
    bearer_headers_from_session,
    exchange_auth_code_from_query,
    issue_hs256_access_token,
    prepare_streamlit_api_client,
)
from fluxsync.auth.pending import COOKIE
from tests.support.openid import served
from tests.support.pages import page_test

KEY = "fluxsync_access_token"


def token_for(seconds: float) -> str:
    return issue_hs256_access_token(
        subject="ada", issuer="me", audience="api", secret="s" * 32, ttl_seconds=seconds
    )


class Api:
    """Answers /auth/exchange and /me."""

    def __init__(self) -> None:
        self.answer: t.Any = ({"access_token": token_for(60)}, 200)
        self.asked: list[t.Any] = []
        self.app = flask.Flask("api")
        self.app.add_url_rule("/auth/exchange", "exchange", self._exchange, methods=["POST"])
        self.app.add_url_rule("/me", "me", self._me)

    def _exchange(self) -> t.Any:
        self.asked.append(flask.request.get_json())
        return self.answer

    def _me(self) -> t.Any:
        return {"authorization": flask.request.headers.get("Authorization")}


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def url(api: Api) -> t.Iterator[str]:
    with served(api.app) as url:
        yield url


def page(**query: t.Any) -> t.Any:
    """Return what a page has of Streamlit: its URL, its session, its browser's cookies."""
    context = types.SimpleNamespace(cookies={COOKIE: "this-browser"})
    return types.SimpleNamespace(query_params=query, session_state={}, context=context)


def authorization(client: ApiClient) -> t.Any:
    with client:
        return client.get("/me").json()["authorization"]


def test_code_is_exchanged(api: Api, url: str) -> None:
    st = page(auth_code="a-code", tab="2")

    with prepare_streamlit_api_client(st, base_url=url) as client:
        token = st.session_state[KEY]
        assert authorization(client) == f"Bearer {token}"

    assert st.query_params == {"tab": "2"}
    assert api.asked == [{"code": "a-code", "browser": "this-browser"}]
    assert bearer_headers_from_session(st) == {"Authorization": f"Bearer {token}"}
    assert authorization(prepare_streamlit_api_client(st, base_url=url)) == f"Bearer {token}"
    assert len(api.asked) == 1


def test_no_code(api: Api, url: str) -> None:
    st = page()

    assert authorization(prepare_streamlit_api_client(st, base_url=url)) is None
    assert bearer_headers_from_session(st) == {}
    assert api.asked == []


def test_used_code(api: Api, url: str) -> None:
    """As after a reload of the page's URL: the user isn't logged in, and sees no error."""
    api.answer = ({}, 401)
    st = page(auth_code="a-code")

    assert authorization(prepare_streamlit_api_client(st, base_url=url)) is None
    assert st.query_params == {}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (({}, 500), requests.HTTPError),
        (({}, 200), ValueError),
        (([], 200), ValueError),
        (({"access_token": 1}, 200), ValueError),
    ],
)
def test_api_fails(api: Api, url: str, answer: t.Any, error: type[Exception]) -> None:
    api.answer = answer
    st = page(auth_code="a-code")

    with pytest.raises(error):
        prepare_streamlit_api_client(st, base_url=url)
    assert st.session_state == {}


def test_exchange_says_what_is_wrong(api: Api, url: str) -> None:
    api.answer = ({}, 401)

    with ApiClient(url) as client, pytest.raises(requests.HTTPError):
        exchange_auth_code_from_query(page(auth_code="a-code"), client)


def test_names_of_ones_own(api: Api, url: str) -> None:
    st = page(login=["a-code"])

    with ApiClient(url) as client:
        token = exchange_auth_code_from_query(st, client, query_key="login", session_key="mine")

    assert st.session_state == {"mine": token}
    assert bearer_headers_from_session(st, session_key="mine")


def test_token_that_is_over(api: Api, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    st = page()
    st.session_state[KEY] = token_for(60)
    monkeypatch.setattr("time.time", lambda: 9e9)

    assert authorization(prepare_streamlit_api_client(st, base_url=url)) is None
    assert st.session_state == {}


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.e30.c"])
def test_token_of_somebody_else(token: str) -> None:
    st = page()
    st.session_state[KEY] = token

    assert bearer_headers_from_session(st) == {"Authorization": f"Bearer {token}"}


def test_within_streamlit(api: Api, url: str) -> None:
    """The real module: its query parameters, session state and context."""

    def script(url: str) -> None:
        import streamlit as st

        from fluxsync.auth import prepare_streamlit_api_client

        with prepare_streamlit_api_client(st, base_url=url) as client:
            st.write(client.get("/me").json()["authorization"] or "nobody")

    at = page_test(script, url=url)
    at.run()
    assert at.markdown[0].value == "nobody"

    at.query_params["auth_code"] = "a-code"
    at.run()
    assert not at.exception
    assert at.markdown[0].value == f"Bearer {at.session_state[KEY]}"
    assert "auth_code" not in at.query_params
    assert api.asked == [{"code": "a-code", "browser": ""}]
