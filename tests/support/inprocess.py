"""A gateway in this process, called as WSGI servers call it."""

from __future__ import annotations

import typing as t

import flask
from werkzeug.test import Client, TestResponse

from fluxsync import FluxSyncSettings
from fluxsync.api.mounting import mount_api
from fluxsync.config.platform import Platform
from fluxsync.gateway.application import Gateway
from fluxsync.testing.standin import StandIn

if t.TYPE_CHECKING:
    from typing_extensions import Self

    from fluxsync.process.client import SupervisorClient

PEER = "203.0.113.9"


def flask_api() -> flask.Flask:
    """Return an API that tells what it was sent."""
    api = flask.Flask("api")

    @api.route("/length", methods=["GET", "POST"])
    def length() -> str:
        return str(len(flask.request.get_data()))

    @api.get("/own")
    def own() -> flask.Response:
        fields = {"X-Frame-Options": "DENY", "Access-Control-Allow-Origin": "https://own"}
        return flask.Response("own", headers=fields)

    @api.get("/boom")
    def boom() -> str:
        raise RuntimeError("boom")

    return api


class Site:
    """The gateway of an API, with or without a Streamlit server behind it; a context manager.

    :param upstream: The server's URL; ``""`` if there's none.
    """

    def __init__(self, api: t.Any = None, upstream: str = "", **settings: t.Any) -> None:
        self.settings = FluxSyncSettings(**settings)
        self.gateway = Gateway(
            self.settings,
            mount_api(api if api is not None else flask_api()),
            t.cast("SupervisorClient", StandIn(upstream)),
            Platform(),
        )
        self._client = Client(self.gateway)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.gateway.close()
        self.gateway.end_api()

    def open(
        self, path: str, method: str = "GET", headers: t.Any = (), **kwargs: t.Any
    ) -> TestResponse:
        """Send a request from :data:`PEER`, and return the answer."""
        environ = {"REMOTE_ADDR": PEER, **kwargs.pop("environ", {})}
        return self._client.open(
            path,
            method=method,
            headers=headers,
            environ_overrides=environ,
            **{"buffered": True, **kwargs},
        )
