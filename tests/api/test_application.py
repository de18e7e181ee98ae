from __future__ import annotations

import html.parser
import typing as t
from urllib.parse import urljoin, urlsplit

import flask
import pydantic
import pytest
import werkzeug.exceptions
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from fluxsync.api.application import create_api, problem

if t.TYPE_CHECKING:
    from werkzeug.test import TestResponse

#: The API is never at the root of a host.
MOUNT = "/prefix/api"


class Query(pydantic.BaseModel):
    limit: int = 1


@pytest.fixture
def client() -> Client:
    api = create_api("Bikes", "/api")

    @api.get("/users")
    def users(query: Query) -> t.Any:
        return {"z": query.limit, "a": 0}

    @api.get("/crash")
    def crash() -> t.Any:
        raise ZeroDivisionError

    @api.get("/busy")
    def busy() -> t.Any:
        raise werkzeug.exceptions.ServiceUnavailable("try later", retry_after=5)

    @api.get("/own")
    def own() -> t.Any:
        flask.abort(flask.Response("mine", 418))

    @api.get("/own-not-found")
    def own_not_found() -> t.Any:
        raise werkzeug.exceptions.NotFound(response=flask.Response("mine", 404))

    @api.post("/limit")
    def limit(body: Query) -> t.Any:
        return {}

    def nowhere(environ: object, start_response: t.Any) -> list[bytes]:
        start_response("599 Outside", [])
        return []

    return Client(DispatcherMiddleware(nowhere, {MOUNT: api}))


class References(html.parser.HTMLParser):
    """What a page has a browser load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_works_without_internet(client: Client, path: str) -> None:
    page = client.get(MOUNT + path)

    found = References(page.text).found
    assert page.status_code == 200
    assert any(reference.endswith(".js") for reference in found)
    assert "http:" not in page.text
    assert "https:" not in page.text
    for reference in [*found, "openapi.json"]:
        url = urljoin(f"http://localhost{MOUNT}{path}", reference)
        assert urlsplit(url).netloc == "localhost"
        with client.get(url) as response:
            assert response.status_code == 200, url


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_loads_its_description_from_beside_it(client: Client, path: str) -> None:
    assert '"openapi.json"' in client.get(MOUNT + path).text


@pytest.mark.parametrize("mount", ["/api", "/v1/api"])
def test_description(mount: str) -> None:
    description = create_api("Bikes", mount).test_client().get("/openapi.json").get_json()

    url = f"http://host/prefix{mount}/openapi.json"
    assert description["info"]["title"] == "Bikes"
    assert [urljoin(url, s["url"]) for s in description["servers"]] == [
        f"http://host/prefix{mount}"
    ]


def test_description_names_problems(client: Client) -> None:
    operation = client.get(f"{MOUNT}/openapi.json").get_json()["paths"]["/users"]["get"]

    assert "Problem" in str(operation["responses"]["422"])


def test_keys_keep_their_order(client: Client) -> None:
    assert client.get(f"{MOUNT}/users").text.index('"z"') < 5


def check_problem(response: TestResponse, status: int, title: str) -> dict[str, t.Any]:
    content: dict[str, t.Any] = response.get_json()
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert (content["type"], content["title"], content["status"]) == ("about:blank", title, status)
    return content


def test_not_found(client: Client) -> None:
    check_problem(client.get(f"{MOUNT}/nowhere"), 404, "Not Found")


def test_method_not_allowed(client: Client) -> None:
    response = client.post(f"{MOUNT}/users")

    check_problem(response, 405, "Method Not Allowed")
    assert set(response.allow) == {"GET", "HEAD", "OPTIONS"}


def test_bad_input(client: Client) -> None:
    content = check_problem(client.get(f"{MOUNT}/users?limit=many"), 422, "Unprocessable Entity")

    assert content["detail"].startswith("limit: Input should be a valid integer")
    assert [error["loc"] for error in content["errors"]] == [["limit"]]
    assert "many" not in str(content)


def test_crash(client: Client) -> None:
    """What went wrong is nothing for clients."""
    content = check_problem(client.get(f"{MOUNT}/crash"), 500, "Internal Server Error")

    assert "ZeroDivision" not in str(content)


def test_nesting_too_deep_for_the_parser(client: Client) -> None:
    response = client.post(f"{MOUNT}/limit", data="[" * 100_000, content_type="application/json")

    check_problem(response, 422, "Unprocessable Entity")


def test_error_keeps_its_fields(client: Client) -> None:
    response = client.get(f"{MOUNT}/busy")

    assert check_problem(response, 503, "Service Unavailable")["detail"] == "try later"
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize(("path", "status"), [("/own", 418), ("/own-not-found", 404)])
def test_response_of_ones_own_is_sent_as_it_is(client: Client, path: str, status: int) -> None:
    response = client.get(MOUNT + path)

    assert (response.status_code, response.text) == (status, "mine")


def test_problem_with_a_status_of_ones_own() -> None:
    with flask.Flask("x").app_context():
        response = problem(499)

    assert response.get_json() == {"type": "about:blank", "title": "Error", "status": 499}
