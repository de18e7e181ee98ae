from __future__ import annotations

import functools
import sys
import typing as t

import fastapi
import flask
import pytest

from fluxsync import FluxSync
from fluxsync.api.asgi import AsgiApplication
from fluxsync.api.mounting import end_api, is_asgi, mount_api, start_api
from fluxsync.exceptions import ApiError


async def asgi_function(scope: t.Any, receive: t.Any, send: t.Any) -> None: ...


class AsgiClass:
    async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None: ...

    async def method(self, scope: t.Any, receive: t.Any, send: t.Any) -> None: ...


class Middleware:
    """Returns another one's coroutine."""

    def __init__(self, application: t.Any) -> None:
        self.application = application

    def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> t.Any:
        return self.application(scope, receive, send)


def logged(application: t.Any) -> t.Any:
    @functools.wraps(application)
    def wrapper(*args: t.Any) -> t.Any:
        return application(*args)

    return wrapper


async def with_option(option: int, scope: t.Any, receive: t.Any, send: t.Any) -> None: ...


def wsgi_function(environ: t.Any, start_response: t.Any) -> t.Iterable[bytes]:
    return []


class WsgiClass:
    """PEP 3333's own example: making one answers."""

    def __init__(self, environ: t.Any, start_response: t.Any) -> None: ...

    def __iter__(self) -> t.Iterator[bytes]:
        return iter(())


@pytest.mark.parametrize(
    "api",
    [
        pytest.param(fastapi.FastAPI(), id="FastAPI"),
        pytest.param(asgi_function, id="function"),
        pytest.param(AsgiClass(), id="object"),
        pytest.param(AsgiClass().method, id="method"),
        pytest.param(Middleware(asgi_function), id="middleware"),
        pytest.param(logged(asgi_function), id="decorated"),
        pytest.param(functools.partial(with_option, 1), id="partial"),
        pytest.param(functools.partial(AsgiClass()), id="partial object"),
    ],
)
def test_asgi(api: t.Any) -> None:
    assert is_asgi(api)
    assert isinstance(mount_api(api), AsgiApplication)


@pytest.mark.parametrize(
    "api",
    [
        pytest.param(flask.Flask("x"), id="Flask"),
        pytest.param(flask.Flask("x").wsgi_app, id="method"),
        pytest.param(wsgi_function, id="function"),
        pytest.param(WsgiClass, id="class"),
        pytest.param(logged(wsgi_function), id="decorated"),
        pytest.param(lambda *args: wsgi_function(*args), id="any arguments"),
    ],
)
def test_wsgi_stays_what_it_is(api: t.Any) -> None:
    assert mount_api(api) is api
    start_api(api)
    end_api(api, 0.0)


@pytest.mark.parametrize(
    "api",
    [
        pytest.param("app:api", id="text"),
        pytest.param(None, id="nothing"),
        pytest.param(fastapi.FastAPI, id="FastAPI's class"),
        pytest.param(AsgiClass, id="class"),
        pytest.param(flask.Flask, id="Flask's class"),
        pytest.param(lambda: None, id="factory"),
        pytest.param(functools.partial(with_option), id="too many arguments"),
        pytest.param(with_option, id="too many arguments"),
    ],
)
def test_neither(api: t.Any) -> None:
    with pytest.raises(ApiError, match="expected a WSGI or ASGI application, got ") as error:
        mount_api(api)

    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 150


def test_without_a2wsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "a2wsgi", None)

    with pytest.raises(ApiError, match=r"pip install 'fluxsync\[asgi\]'"):
        mount_api(asgi_function)


def test_in_an_application() -> None:
    api = fastapi.FastAPI()
    app: t.Any = FluxSync(api=api)
    assert app.api is api
    app.api = other = flask.Flask("other")
    assert app.api is other
    with pytest.raises(ApiError, match="expected a WSGI or ASGI"):
        app.api = "other"
    assert app.api is other


def test_arguments_for_what_is_given() -> None:
    with pytest.raises(ApiError, match="api is given"):
        FluxSync(api=flask.Flask("x"), flask_kwargs={"static_folder": "x"})
