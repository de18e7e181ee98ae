"""Users of a proxy, through the gateway."""

from __future__ import annotations

import re
import typing as t

import flask
import pytest
from flask_openapi3.openapi import OpenAPI

from fluxsync import FluxSync, FluxSyncSettings
from fluxsync.auth import TrustedProxyUser, TrustedProxyUserConfig, proxy_user_header
from fluxsync.sansio.identity import User
from fluxsync.testing import FluxSyncTestClient


def ask(
    settings: dict[str, t.Any],
    config: TrustedProxyUserConfig | None = None,
    *,
    peer: str = "10.0.0.1",
    **headers: str,
) -> tuple[int, t.Any]:
    """Return status, and what the API has of a request."""
    app = FluxSync(settings=FluxSyncSettings(**settings))
    user, name = TrustedProxyUser(config), proxy_user_header()

    api: OpenAPI = app.api

    @api.get("/me")
    def me() -> t.Any:
        return {"user": user(), "header": name()}

    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    with FluxSyncTestClient(app) as client:
        response = client.api_get("/me", headers=fields, environ_overrides={"REMOTE_ADDR": peer})
    return response.status_code, response.json if response.status_code == 200 else None


TRUSTED = {"forwarded_allow_ips": "10.0.0.0/8"}


def test_trusted_proxy() -> None:
    assert ask(TRUSTED, X_Remote_User=" ada ") == (200, {"user": "ada", "header": " ada "})


def test_name_that_is_not_ascii() -> None:
    name = "Zoë"

    assert ask(TRUSTED, X_Remote_User=name.encode().decode("latin-1"))[1]["user"] == name


@pytest.mark.parametrize(
    ("settings", "peer"),
    [
        pytest.param({}, "10.0.0.1", id="nobody is trusted"),
        pytest.param({}, "127.0.0.1", id="not even this machine"),
        pytest.param(TRUSTED, "192.0.2.1", id="another peer"),
        pytest.param({"trust_proxy": True}, "10.0.0.1", id="this machine only"),
    ],
)
def test_nobody_else_is_believed(settings: dict[str, t.Any], peer: str) -> None:
    for name in ("X_Remote_User", "X_My_User"):
        config = TrustedProxyUserConfig(header_name=name.replace("_", "-"))
        assert (
            ask(settings, config, peer=peer, **t.cast("dict[str, t.Any]", {name: "admin"}))[0]
            == 403
        )


@pytest.mark.parametrize(("proto", "status"), [("http", 403), ("https", 200)])
def test_https_whatever_the_public_url_says(proto: str, status: int) -> None:
    """The setting says where links lead, and not how this browser came."""
    settings = {**TRUSTED, "public_base_url": "https://apps.example"}
    config = TrustedProxyUserConfig(require_https=True)

    assert ask(settings, config, X_Remote_User="ada", X_Forwarded_Proto=proto)[0] == status


def test_only_some_proxies() -> None:
    config = TrustedProxyUserConfig(trusted_client_hosts=frozenset(["10.0.0.1", "10.1.0.0/16"]))

    statuses = [
        ask(TRUSTED, config, peer=peer, X_Remote_User="ada")[0]
        for peer in ("10.0.0.1", "10.1.2.3", "10.0.0.2")
    ]

    assert statuses == [200, 200, 403]


def test_a_list_of_proxies_does_not_make_them_trusted() -> None:
    config = TrustedProxyUserConfig(trusted_client_hosts=frozenset(["10.0.0.1"]))

    assert ask({}, config, X_Remote_User="ada")[0] == 403


@pytest.mark.parametrize(
    ("settings", "peer", "proto", "status"),
    [
        (TRUSTED, "10.0.0.1", "https", 200),
        (TRUSTED, "10.0.0.1", "http", 403),
        (TRUSTED, "10.0.0.1", "", 403),
        ({**TRUSTED, "public_base_url": "https://example.org"}, "10.0.0.1", "", 200),
        ({}, "10.0.0.1", "https", 403),
    ],
)
def test_https(settings: dict[str, t.Any], peer: str, proto: str, status: int) -> None:
    config = TrustedProxyUserConfig(require_https=True)
    fields: dict[str, t.Any] = {"X_Forwarded_Proto": proto} if proto else {}

    assert ask(settings, config, peer=peer, X_Remote_User="ada", **fields)[0] == status


@pytest.mark.parametrize("value", [None, "", "  "])
def test_nobody(value: str | None) -> None:
    fields: dict[str, t.Any] = {} if value is None else {"X_Remote_User": value}
    optional = TrustedProxyUserConfig(require_non_empty_user=False)

    assert ask(TRUSTED, **fields)[0] == 401
    status, found = ask(TRUSTED, optional, **fields)
    assert (status, found["user"]) == (200, "")


def test_without_a_gateway() -> None:
    app = flask.Flask("x")
    app.add_url_rule("/me", "me", TrustedProxyUser())
    app.add_url_rule("/name", "name", lambda: {"name": proxy_user_header()()})
    client = app.test_client()

    assert client.get("/me", headers={"X-Remote-User": "admin"}).status_code == 403
    assert client.get("/name", headers={"X-Remote-User": "admin"}).json == {"name": None}


def test_user_of_the_host() -> None:
    app = flask.Flask("x")
    app.add_url_rule("/me", "me", TrustedProxyUser())

    response = app.test_client().get("/me", environ_overrides={"fluxsync.user": User("ada")})

    assert response.text == "ada"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"header_name": "X User"}, "header_name='X User': expected"),
        ({"header_name": ""}, "header_name='': expected"),
        (
            {"trusted_client_hosts": frozenset(["proxy"])},
            "trusted_client_hosts has 'proxy': expected",
        ),
    ],
)
def test_bad_configuration(config: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        TrustedProxyUserConfig(**config)


def test_check_is_for_before_request() -> None:
    app = flask.Flask("x")
    app.before_request(TrustedProxyUser().check)
    app.add_url_rule("/me", "me", lambda: "hello")
    environ = {"fluxsync.user": User("ada")}

    assert app.test_client().get("/me").status_code == 403
    assert app.test_client().get("/me", environ_overrides=environ).text == "hello"


def test_calls_of_pages_come_through_no_proxy() -> None:
    """They have no address, and so seem to be of this machine."""
    app = FluxSync(settings=FluxSyncSettings(trust_proxy=True))
    api: OpenAPI = app.api
    user = TrustedProxyUser()

    @api.get("/me")
    def me() -> t.Any:
        return {"user": user()}

    fields = {"X-Remote-User": "admin"}
    with FluxSyncTestClient(app) as client, client.client() as of_page:
        assert of_page.get("/me", headers=fields).status_code == 403
        by_proxy = client.api_get(
            "/me", headers=fields, environ_overrides={"REMOTE_ADDR": "127.0.0.1"}
        )
        assert by_proxy.json == {"user": "admin"}
