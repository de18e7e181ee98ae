from __future__ import annotations

import io
import typing as t
from pathlib import Path

import pytest
import requests
from requests.adapters import BaseAdapter

from fluxsync import ApiClient
from fluxsync.demo.app import app
from fluxsync.demo.database import DATABASE_ENV

if t.TYPE_CHECKING:
    from flask.testing import FlaskClient


class WsgiAdapter(BaseAdapter):
    """Answers what is sent to it from a WSGI application, without a socket."""

    def __init__(self, client: FlaskClient) -> None:
        super().__init__()
        self._client = client

    def send(
        self, request: requests.PreparedRequest, *args: object, **kwargs: object
    ) -> requests.Response:
        assert request.url is not None
        answer = self._client.open(
            request.url,
            method=request.method,
            headers=dict(request.headers),
            data=request.body,
        )
        response = requests.Response()
        response.url = request.url
        response.request = request
        response.status_code = answer.status_code
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(answer.data)
        return response

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a database of its own, not made yet."""
    path = tmp_path / "demo.sqlite3"
    monkeypatch.setenv(DATABASE_ENV, str(path))
    return path


@pytest.fixture
def api() -> FlaskClient:
    return app.api.test_client()


@pytest.fixture
def client(api: FlaskClient) -> t.Iterator[ApiClient]:
    """The client that pages are given, with the API at its other end."""
    with ApiClient("http://demo.test", adapter=WsgiAdapter(api)) as client:
        yield client
