from __future__ import annotations

import logging
import typing as t

import pytest

from fluxsync.telemetry.access import Exchange, LoggedBody

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fluxsync.access")


def exchange(path: str = "/a", query: str = "") -> Exchange:
    return Exchange("GET", path, query, "1", client="127.0.0.1", route="api", status=200)


class Body:
    """A response body that notes its end."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        pytest.param("/a", "", "GET /a 200", id="path"),
        pytest.param("/a", "b=c&token=x", "GET /a?b=c&token=*** 200", id="query"),
        pytest.param("/a\n\xe9", "", "GET /a\\n\\xe9 200", id="line break"),
    ],
)
def test_line(caplog: pytest.LogCaptureFixture, path: str, query: str, message: str) -> None:
    exchange(path, query).log()

    assert [line.getMessage() for line in caplog.records] == [message]


def test_facts(caplog: pytest.LogCaptureFixture) -> None:
    exchange().log()

    facts = vars(caplog.records[0])
    assert facts["duration_seconds"] >= 0
    assert {name: facts[name] for name in ("bytes", "client", "route", "request_id")} == {
        "bytes": 0,
        "client": "127.0.0.1",
        "route": "api",
        "request_id": "1",
    }


def test_no_line_if_nobody_wants_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fluxsync.access")

    exchange().log()

    assert caplog.records == []


def test_body_is_logged_when_it_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    body = Body(b"abc", b"de")
    logged = LoggedBody(body, exchange())

    assert list(logged) == [b"abc", b"de"]
    assert caplog.records == []

    logged.close()
    logged.close()
    assert [vars(line)["bytes"] for line in caplog.records] == [5]
    assert body.closed == 2


def test_body_that_is_not_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    logged = LoggedBody([b"abc", b"de"], exchange())

    next(iter(logged))
    logged.close()

    assert vars(caplog.records[0])["bytes"] == 3


def test_body_that_breaks_off(caplog: pytest.LogCaptureFixture) -> None:
    logged = LoggedBody(Body(b"abc", error=OSError("gone")), exchange())

    with pytest.raises(OSError, match="gone"):
        list(logged)
    logged.close()

    assert vars(caplog.records[0])["error"] == "OSError: gone"


def test_close_that_fails_is_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Body):
        def close(self) -> t.NoReturn:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        LoggedBody(Broken(), exchange()).close()

    assert len(caplog.records) == 1
