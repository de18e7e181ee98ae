"""Tests without a network: the API by itself, and the page with the API behind it."""

from types import SimpleNamespace

from streamlit.testing.v1 import AppTest

from app import app


class LocalClient:
    """Answers the page's calls as the API would."""

    def get(self, path):
        response = app.api.test_client().get(path)
        return SimpleNamespace(status_code=response.status_code, json=response.get_json)


def show_home(client):
    import streamlit

    from app import home

    home(streamlit, client)


def test_hello():
    response = app.api.test_client().get("/hello")

    assert response.status_code == 200
    assert response.get_json() == {"message": "Hello from the API"}


def test_home():
    page = AppTest.from_function(show_home, default_timeout=30, kwargs={"client": LocalClient()})
    page.run()

    assert not page.exception
    assert page.title[0].value == "Posit connect"
    assert page.markdown[0].value == "Hello from the API"
