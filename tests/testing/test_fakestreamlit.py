from __future__ import annotations

import http.client
import json
import threading
import typing as t

import pytest
import requests

from fluxsync.testing import Answer, FakeStreamlit
from tests.support import websocket

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import StartGateway


@pytest.fixture
def fake() -> Iterator[FakeStreamlit]:
    with FakeStreamlit() as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_what_streamlit_answers(fake: FakeStreamlit, session: requests.Session) -> None:
    assert session.get(f"{fake.url}/_stcore/health").text == "ok"
    assert session.get(f"{fake.url}/_stcore/host-config").json()["allowedOrigins"] == []
    assert "<title>Streamlit</title>" in session.get(f"{fake.url}/").text

    fake.healthy = False

    assert session.get(f"{fake.url}/_stcore/health").status_code == 503


def test_everything_else_is_told(fake: FakeStreamlit, session: requests.Session) -> None:
    told = session.put(f"{fake.url}/a%2Fb?x=1", data=b"body", headers={"X-Twice": "1"}).json()

    assert (told["method"], told["target"], told["body"]) == ("PUT", "/a%2Fb?x=1", "body")
    assert ["X-Twice", "1"] in told["headers"]
    received = fake.requests[-1]
    assert (received.path, received.body, received.header("x-twice")) == ("/a%2Fb", b"body", "1")
    assert received.header("x-missing") is None


def test_body_in_chunks(fake: FakeStreamlit, session: requests.Session) -> None:
    """The connection goes on behind it."""
    for _ in range(2):
        assert session.post(f"{fake.url}/x", data=iter([b"one", b"two"])).json()["body"] == "onetwo"


def test_other_answers(fake: FakeStreamlit, session: requests.Session) -> None:
    fake.answers["/"] = Answer(b"<p>", 201, "text/html", [("X-A", "1"), ("X-A", "2")])
    fake.answers["/gone"] = Answer(status=204)

    response = session.get(f"{fake.url}/?a=b")

    assert (response.status_code, response.content) == (201, b"<p>")
    assert response.raw.headers.getlist("X-A") == ["1", "2"]
    assert session.get(f"{fake.url}/gone").status_code == 204
    assert session.head(f"{fake.url}/").headers["Content-Length"] == "3"


def test_health_checks_are_not_noted(fake: FakeStreamlit, session: requests.Session) -> None:
    session.get(f"{fake.url}/_stcore/health")

    assert fake.requests == []


@pytest.mark.parametrize("message", ["text", "\u00e9" * 70_000, b"", b"bytes" * 100_000])
def test_websocket(fake: FakeStreamlit, message: str | bytes) -> None:
    with websocket.connect(fake.port) as client:
        assert client.getsubprotocol() == "streamlit"
        client.send(message, 0x1 if isinstance(message, str) else 0x2)
        answer = client.recv()
        client.close()

    assert answer == message
    assert fake.messages == [message]
    assert fake.requests[0].header("upgrade") == "websocket"


def test_what_is_no_websocket(fake: FakeStreamlit) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", fake.port)
    connection.request("GET", "/_stcore/stream", headers={"Upgrade": "websocket"})

    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()

    connection.close()


def test_end_cuts_connections() -> None:
    """Also a kept one, and a WebSocket that nobody closes; the leak detector sees the rest."""
    with FakeStreamlit() as fake:
        kept = http.client.HTTPConnection("127.0.0.1", fake.port)
        kept.request("GET", "/x")
        kept.getresponse().read()
        with websocket.connect(fake.port):
            fake.close()
    kept.close()

    assert [r.path for r in fake.requests] == ["/x", "/_stcore/stream"]


def test_without_a_start() -> None:
    FakeStreamlit().close()


def test_many_at_once(fake: FakeStreamlit) -> None:
    def ask(number: int) -> None:
        with requests.get(f"{fake.url}/{number}", timeout=10) as response:
            answers.append(json.loads(response.text)["target"])

    answers: list[str] = []
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == sorted(f"/{number}" for number in range(20))
    assert len(fake.requests) == 20


@pytest.mark.live_server
def test_behind_a_gateway(fake: FakeStreamlit, gateway: StartGateway) -> None:
    server = gateway(upstream=fake)

    page = server.get("/", [("Accept", "text/html")])
    told = json.loads(server.get("/somewhere?a=b").body)
    with websocket.connect(server.port) as client:
        client.send("hello")
        answer = client.recv()

    assert b"<title>Streamlit</title>" in page.body
    assert told["target"] == "/somewhere?a=b"
    assert answer == "hello"
