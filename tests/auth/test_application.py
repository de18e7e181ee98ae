"""What an application gets by its settings, through the gateway."""

from __future__ import annotations

import os
import re
import textwrap
import typing as t
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import flask
import pytest
from flask_openapi3.openapi import OpenAPI

from fluxsync import ConfigError, FluxSync, FluxSyncSettings
from fluxsync.auth import GenericOIDCClient, GenericOIDCClientConfig
from fluxsync.auth.pending import COOKIE
from fluxsync.config.environment import is_pages_process, streamlit_environment
from fluxsync.testing import FluxSyncTestClient
from tests.support.openid import Provider
from tests.support.processes import ROOT

if t.TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:authlib")

SECRET = "a secret of the API with enough bytes"


def provider_of(issuer: str = "https://issuer.example") -> GenericOIDCClient:
    return GenericOIDCClient(GenericOIDCClientConfig(issuer, "app", "pw"))


def make(issuer: str, store: str = "memory", **settings: t.Any) -> FluxSync:
    app = FluxSync(
        settings=FluxSyncSettings(oidc_bff_secret=SECRET, **settings), session_store=store
    )
    bearer = app.make_jwt_bearer()
    app.attach_oidc_login(provider_of(issuer), streamlit_redirect_path="/start")

    api: OpenAPI = app.api

    @api.get("/me")
    @bearer.required
    def me() -> t.Any:
        return {"sub": bearer.current().sub}

    return app


@pytest.mark.parametrize("mount", ["/api", "/v1/api"])
@pytest.mark.parametrize("root", ["", "/some/prefix"])
def test_login_with_two_workers(root: str, mount: str, tmp_path: Path) -> None:
    """The page's request reaches another worker than the browser's."""
    store = f"sqlite:///{tmp_path}/sessions.sqlite3"
    with Provider() as provider:
        apps = [make(provider.issuer, store, api_mount_path=mount) for _ in range(2)]
        first, second = [FluxSyncTestClient(app, root_mount=root) for app in apps]
        browser = first.http

        url = browser.get(f"{mount}/auth/login").headers["Location"]
        redirect_uri = dict(parse_qsl(urlsplit(url).query))["redirect_uri"]
        assert redirect_uri == f"http://localhost{root}{mount}/auth/callback"
        callback = provider.sign_in(url)
        found = browser.get(callback.removeprefix(f"http://localhost{root}"))
        page = urljoin(callback, found.headers["Location"])
        assert page.startswith(f"http://localhost{root}/start?auth_code=")

        cookie = browser.get_cookie(COOKIE, "localhost", root or "/")
        assert cookie is not None
        code = parse_qs(urlsplit(page).query)["auth_code"][0]
        body = {"code": code, "browser": cookie.value}
        answers = [second.api_post("/auth/exchange", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 401]
        assert answers[0].json is not None
        headers = {"Authorization": f"Bearer {answers[0].json['access_token']}"}
        assert second.api_get("/me", headers=headers).json == {"sub": "ada"}
        for client in (first, second):
            client.close()


def test_public_url() -> None:
    with Provider() as provider:
        app = make(provider.issuer, public_base_url="https://example.org/app")
        with FluxSyncTestClient(app) as client:
            response = client.api_get("/auth/login")

    asked = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
    assert asked["redirect_uri"] == "https://example.org/app/api/auth/callback"
    assert {"Path=/app", "Secure"} <= set(response.headers["Set-Cookie"].split("; "))


def test_tokens_are_refused_by_the_settings() -> None:
    with pytest.raises(ConfigError, match=r"^jwt_jwks_url='' from default: expected"):
        FluxSync(settings=FluxSyncSettings()).make_jwt_bearer()


def test_once() -> None:
    app = make("https://issuer.example")

    with pytest.raises(ValueError, match=r"call it once$"):
        app.attach_oidc_login(provider_of())


def test_secret_is_needed() -> None:
    app = FluxSync(settings=FluxSyncSettings())

    with pytest.raises(ConfigError, match=r"^oidc_bff_secret='' from default: expected at least"):
        app.attach_oidc_login(provider_of())
    with pytest.raises(ValueError, match=r"^first_party_secret='\*\*\*' has 7 bytes"):
        app.attach_oidc_login(provider_of(), first_party_secret="hunter2")
    with pytest.raises(TypeError, match="nonsense"):
        app.attach_oidc_login(provider_of(), first_party_secret=SECRET, nonsense=1)
    app.attach_oidc_login(provider_of(), first_party_secret=SECRET)


def test_flask_application_of_ones_own() -> None:
    api = flask.Flask("mine")
    app = FluxSync(settings=FluxSyncSettings(oidc_bff_secret=SECRET), api=api)

    app.attach_oidc_login(provider_of())

    assert "/auth/login" in {str(rule) for rule in api.url_map.iter_rules()}


def test_api_of_another_kind() -> None:
    def wsgi(environ: t.Any, start_response: t.Any) -> list[bytes]:
        raise NotImplementedError

    app = FluxSync(settings=FluxSyncSettings(oidc_bff_secret=SECRET), api=wsgi)

    with pytest.raises(ValueError, match=r"^api=function: expected a Flask application"):
        app.attach_oidc_login(provider_of())


@pytest.fixture
def pages_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, with what Streamlit's one would have of these variables."""
    environ = {
        "FLUXSYNC_OIDC_BFF_SECRET": SECRET,
        "FLUXSYNC_JWT_HS256_SECRET": SECRET,
        "FLUXSYNC_JWT_ISSUER": "me",
        "FLUXSYNC_JWT_AUDIENCE": "api",
    }
    for name, value in streamlit_environment(environ, ()).items():
        monkeypatch.setenv(name, value)


def test_module_can_be_imported_by_streamlit(pages_process: None) -> None:
    """And nothing that it makes there believes anybody."""
    assert is_pages_process()
    assert os.environ["FLUXSYNC_JWT_ISSUER"] == "me"
    app = FluxSync()
    bearer = app.make_jwt_bearer()
    app.attach_oidc_login(provider_of())

    api: OpenAPI = app.api

    @api.get("/me")
    @bearer.required
    def me() -> t.Any:
        raise NotImplementedError

    client = app.api.test_client()
    assert client.get("/me", headers={"Authorization": "Bearer x"}).status_code == 503
    assert client.get("/auth/login").status_code == 404


def test_streamlit_has_the_secrets_that_are_named(
    pages_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = streamlit_environment({"FLUXSYNC_JWT_HS256_SECRET": SECRET}, ["FLUXSYNC_JWT_*"])
    monkeypatch.setenv("FLUXSYNC_JWT_HS256_SECRET", passed["FLUXSYNC_JWT_HS256_SECRET"])

    assert FluxSync().make_jwt_bearer().config.hs256_secret == SECRET


def test_wrong_setting_is_said_in_streamlits_process_too(pages_process: None) -> None:
    with pytest.raises(ConfigError, match=r"^jwt_leeway_seconds"):
        FluxSyncSettings(jwt_leeway_seconds=-1)


def test_examples_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be run, and who brings nothing is refused."""
    for name, value in {"ISSUER": "me", "AUDIENCE": "api", "HS256_SECRET": SECRET}.items():
        monkeypatch.setenv(f"FLUXSYNC_JWT_{name}", value)
    monkeypatch.setenv("FLUXSYNC_OIDC_BFF_SECRET", SECRET)
    text = (ROOT / "docs" / "auth.rst").read_text(encoding="utf-8")
    examples = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text)
    statuses = []

    for example in examples:
        namespace: dict[str, t.Any] = {"app": FluxSync()}
        exec(textwrap.dedent(example), namespace)
        with FluxSyncTestClient(namespace["app"]) as client:
            statuses.append(client.api_get("/me").status_code)

    assert statuses == [401, 401, 403]
