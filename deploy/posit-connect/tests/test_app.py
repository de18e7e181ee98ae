"""Tests without a network: the API by itself, and the page with the API behind it."""

import pytest
from fluxsync.testing import FluxSyncTestClient

from app import app


@pytest.fixture
def client():
    with FluxSyncTestClient(app) as client:
        yield client


def test_hello(client):
    response = client.api_get("/hello")

    assert response.status_code == 200
    assert response.json == {"message": "Hello from the API"}


def test_home(client):
    page = client.streamlit()

    client.assert_no_streamlit_exception(page)
    assert page.title[0].value == "Posit connect"
    assert page.markdown[0].value == "Hello from the API"
