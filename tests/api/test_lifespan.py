from __future__ import annotations

import asyncio
import contextlib
import typing as t

import fastapi
import pytest
from werkzeug.test import Client

from fluxsync.api import asgi
from fluxsync.api.asgi import AsgiApplication


class Failing:
    """An application whose startup fails while there is something to fail with."""

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error
        self.application = fastapi.FastAPI(lifespan=self.lifespan)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: fastapi.FastAPI) -> t.AsyncIterator[None]:
        if self.error is not None:
            raise self.error
        yield


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RuntimeError("no database at db://u:secret@host"), id="error"),
        pytest.param(SystemExit("no database"), id="exit"),
    ],
)
def test_failed_startup(
    error: BaseException, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It's told, and tried again."""
    monkeypatch.setattr(asgi, "_RETRY", 3600)
    failing = Failing(error)
    application = AsgiApplication(failing.application)
    with Client(application).get("/docs") as response:
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert "no database" in response.get_json()["detail"]
        assert b"secret" not in response.data
    assert "no database" in caplog.text
    assert "secret" not in caplog.records[0].getMessage()

    failing.error = None
    with Client(application).get("/docs") as response:
        assert response.status_code == 503  # not with each request
    monkeypatch.setattr(asgi, "_RETRY", 0)
    with Client(application).get("/docs") as response:
        assert response.status_code == 200
    application.end(20.0)


def test_slow_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests don't wait for ever, and it may be ended meanwhile."""

    @contextlib.asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> t.AsyncIterator[None]:
        await asyncio.sleep(3600)
        yield

    monkeypatch.setattr(asgi, "_PATIENCE", 0.05)
    application = AsgiApplication(fastapi.FastAPI(lifespan=lifespan))
    with Client(application).get("/docs") as response:
        assert response.status_code == 503
        assert response.get_json()["detail"] == "the API is starting"
    application.end(1.0)


def test_shutdown_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> t.AsyncIterator[None]:
        yield
        raise ZeroDivisionError

    application = AsgiApplication(fastapi.FastAPI(lifespan=lifespan))
    Client(application).get("/docs").close()
    application.end(20.0)

    assert "ZeroDivisionError" in caplog.text


def test_shutdown_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> t.AsyncIterator[None]:
        yield
        await asyncio.sleep(3600)

    application = AsgiApplication(fastapi.FastAPI(lifespan=lifespan))
    Client(application).get("/docs").close()
    application.end(1.0)

    assert "takes longer" in caplog.text


def test_end_without_beginning() -> None:
    AsgiApplication(fastapi.FastAPI()).end(1.0)
