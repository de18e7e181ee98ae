"""Tests of the pages and of the API, without a server."""

import pytest
from app import app

from fluxsync.testing import FluxSyncTestClient


@pytest.fixture
def client():
    with FluxSyncTestClient(app) as client:
        yield client


def test_api(client):
    assert len(client.api_get("/seeds").json) == 2
    client.assert_docs_available()


def test_welcome(client):
    page = client.streamlit()

    client.assert_no_streamlit_exception(page)
    assert page.title[0].value == "Seed library"


def test_button_leads_to_another_page(client):
    page = client.streamlit()
    page.button(key="low").click().run()

    assert page.title[0].value == "Running out"
    assert [text.value for text in page.markdown] == ["Chicory: 3 packets"]


def test_table(client):
    page = client.select_page(client.streamlit(), "/stock")

    assert page.title[0].value == "Stock"
    assert list(page.dataframe[0].value["name"]) == ["Borage", "Chicory"]
