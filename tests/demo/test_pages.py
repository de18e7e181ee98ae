"""The pages as Streamlit runs them, with the API behind their client but no network."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import timedelta

import pytest
import requests
from streamlit.testing.v1 import AppTest

from fluxsync.demo.pages.files import files
from fluxsync.demo.pages.form import form
from fluxsync.demo.pages.gateway import findings, gateway, presentable
from fluxsync.demo.pages.home import home, weather
from fluxsync.demo.pages.live import SECONDS_SHOWN, live, riders
from tests.support.pages import page_test

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from fluxsync import ApiClient


class Unreachable:
    """A client that gets no connection."""

    def get(self, path: str, **kwargs: object) -> t.NoReturn:
        raise requests.ConnectionError(f"no connection for {path}")


def run_page(page: object, client: object) -> None:
    # AppTest runs the source of this function, away from this module.
    import inspect

    import streamlit

    assert callable(page)
    given = {"st": streamlit, "client": client}
    page(**{name: given[name] for name in inspect.signature(page).parameters})


def open_page(page: Callable[..., None], client: object = None) -> AppTest:
    test = page_test(run_page, page=page, client=client)
    return run(test)


def run(test: AppTest) -> AppTest:
    test.run()
    assert not test.exception
    return test


def words(test: AppTest) -> str:
    return "\n".join(str(element.value) for element in (*test.markdown, *test.caption, *test.text))


@pytest.mark.parametrize("page", [home, form, gateway])
def test_api_that_cannot_be_reached(page: Callable[..., None]) -> None:
    """One clear line, and no traceback."""
    test = open_page(page, Unreachable())

    assert [error.value for error in test.error] == [
        "The API cannot be reached at the moment. Please try again."
    ]


def test_home_shows_the_year(client: ApiClient) -> None:
    test = open_page(home, client)

    assert [(metric.label, metric.value) for metric in test.metric][1:] == [
        ("Busiest day", "Sun, 15 Jun"),
        ("Quietest day", "Sun, 30 Nov"),
    ]
    assert "](api/docs)" in words(test)
    assert [chart.type for chart in test.get("vega_lite_chart")]


def test_home_for_one_station(client: ApiClient) -> None:
    test = open_page(home, client)

    test.button_group(key="stations").set_value(["university"])
    test.button_group(key="per").set_value("month")

    assert run(test).get("vega_lite_chart")


def test_home_without_stations(client: ApiClient) -> None:
    test = open_page(home, client)

    test.button_group(key="stations").set_value([])

    assert [info.value for info in run(test).info] == ["Choose a station to see its counts."]


@pytest.mark.parametrize(
    ("rain", "expected"),
    [
        pytest.param(0.0, "3.5 °C, dry", id="dry"),
        pytest.param(2.25, "3.5 °C, 2.25 mm of rain", id="rain"),
    ],
)
def test_weather(rain: float, expected: str) -> None:
    assert weather({"temperature_celsius": 3.5, "rain_mm": rain}) == expected


def send(test: AppTest, author: str, note: str) -> AppTest:
    test.text_input(key="author").set_value(author)
    test.selectbox(key="station").set_value("lake-shore")
    test.selectbox(key="kind").set_value("unicycle")
    test.text_area(key="note").set_value(note)
    test.button[0].click()
    return run(test)


def test_sighting_is_saved_and_listed(client: ApiClient) -> None:
    test = send(open_page(form, client), "Ada", "Juggling, too")

    assert [success.value for success in test.success] == ["Saved. Thank you!"]
    assert [text.value for text in test.text][:2] == ["Juggling, too", "— Ada"]
    assert test.text_area(key="note").value == ""
    assert not run(test).success


def test_sighting_is_refused(client: ApiClient) -> None:
    """The reason is there, and so is what was typed."""
    test = send(open_page(form, client), "  ", "Juggling, too")

    (error,) = test.error
    assert "**Your name**: String should have at least 1 character" in error.value
    assert test.text_area(key="note").value == "Juggling, too"
    assert "Juggling, too" not in words(test)


def test_what_others_wrote_is_not_markdown(client: ApiClient) -> None:
    picture = "![](https://example.org/pixel.png)"

    test = send(open_page(form, client), picture, picture)

    assert not any("example.org" in element.value for element in (*test.markdown, *test.caption))


def test_file_comes_back(client: ApiClient) -> None:
    content = bytes(range(256)) * 40
    test = open_page(files)
    assert not test.get("download_button")

    test.file_uploader(key="upload").upload("all|bytes.bin", content, "application/x-test")
    run(test)

    assert r"` all\|bytes.bin `" in words(test)
    assert "` 10,240 bytes `" in words(test)
    assert hashlib.sha256(content).hexdigest() in words(test)


def test_counter() -> None:
    test = open_page(live)
    assert "Count: 0" in words(test)

    for _ in range(3):
        test.button(key="count-up").click()
        run(test)

    assert "Count: 3" in words(test)


def test_seconds_pass() -> None:
    test = open_page(live)
    before = test.session_state["passed"]
    assert len(before) == SECONDS_SHOWN

    for name in ("since", "drawn"):
        test.session_state[name] -= timedelta(seconds=7)
    run(test)

    after = test.session_state["passed"]
    assert int(test.metric[0].value) >= 7
    assert len(after) == SECONDS_SHOWN
    assert after[:40] in (before[7:47], before[8:48], before[9:49])  # the run took some time


def test_long_absence() -> None:
    test = open_page(live)

    test.session_state["drawn"] -= timedelta(hours=1)
    run(test)

    assert len(test.session_state["passed"]) == SECONDS_SHOWN


def test_riders() -> None:
    passed = [riders() for _ in range(2000)]

    assert min(passed) == 0
    assert 1.2 < sum(passed) / len(passed) < 1.8


def test_gateway_shows_a_call_of_the_api(client: ApiClient) -> None:
    assert "` /request `" in words(open_page(gateway, client))


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        pytest.param({}, "", id="not forwarded"),
        pytest.param({"X-Forwarded-Host": "a.test:81"}, "http://a.test:81/", id="host"),
        pytest.param(
            {
                "X-Forwarded-Host": "a.test",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Prefix": "/app",
            },
            "https://a.test/app/",
            id="all",
        ),
    ],
)
def test_public_address(forwarded: dict[str, str], expected: str) -> None:
    found = {name: value for name, value, _ in findings(forwarded)}

    assert found["Public address"] == expected


def test_findings() -> None:
    found = {
        name: value
        for name, value, _ in findings(
            {
                "X-Request-Id": "abc",
                "X-Fluxsync-Replica": "r1",
                "X-Fluxsync-Transport": "websocket",
                "X-Forwarded-For": "192.0.2.1",
            }
        )
    }

    assert found == {
        "Request id": "abc",
        "Transport": "websocket",
        "Replica": "r1",
        "Client address": "192.0.2.1",
        "Public address": "",
    }


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            {"X-Fluxsync-Transport": "stream", "X-Fluxsync-Fallback": "websocket-refused"},
            [
                ("stream", "Messages come in one response that never ends, and go in requests"),
                ("websocket-refused", "A WebSocket was refused"),
            ],
            id="one reason",
        ),
        pytest.param(
            {
                "X-Fluxsync-Transport": "short-poll",
                "X-Fluxsync-Fallback": "websocket-silent+fog+serial",
            },
            [
                ("short-poll", "Messages come and go in many requests, each answered at once"),
                (
                    "websocket-silent+fog+serial",
                    "A WebSocket opened, but nothing came through it. "
                    "Requests have to wait for each other",
                ),
            ],
            id="several reasons",
        ),
        pytest.param(
            {"X-Fluxsync-Transport": "pigeons", "X-Fluxsync-Fallback": "fog"},
            [
                ("pigeons", "How messages travel to your browser and back"),
                ("fog", "What your browser found out when it tried others"),
            ],
            id="unknown",
        ),
        pytest.param({}, [("", "How messages travel to your browser and back")], id="neither"),
    ],
)
def test_transport(headers: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = [
        (value, words)
        for name, value, words in findings(headers)
        if name in {"Transport", "Why this one"}
    ]

    assert found == expected


def test_credentials_are_not_presentable() -> None:
    headers = {
        "Upgrade": "websocket",
        "Cookie": "a=b",
        "Authorization": "Bearer c",
        "Sec-Websocket-Protocol": "streamlit, token, session",
    }

    assert presentable(headers) == [("Upgrade", "websocket")]
