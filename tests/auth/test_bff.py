"""Logins at a real provider."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import time
import typing as t
from urllib.parse import parse_qs, parse_qsl, unquote, urljoin, urlsplit

import jwt
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from fluxsync.api.application import create_api
from fluxsync.auth import (
    GenericOIDCClient,
    GenericOIDCClientConfig,
    InMemoryOIDCBFFTokenStore,
    JWTAuthConfig,
    JWTBearer,
    OIDCBFFConfig,
    register_oidc_bff_routes,
)
from fluxsync.auth.pending import COOKIE, Cookies
from fluxsync.exceptions import SessionError
from tests.support.openid import Provider

if t.TYPE_CHECKING:
    from werkzeug.test import TestResponse

# Of the provider's libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:authlib")

SECRET = "a secret of the API with enough bytes"
HOST = "http://apps.example"


class Site:
    """An application with logins, as browsers see it.

    :param root: Its root path.
    """

    def __init__(self, provider: Provider, root: str, **config: t.Any) -> None:
        self.provider = provider
        self.root = root
        self.client_config = GenericOIDCClientConfig(provider.issuer, "app", "p:w")
        oidc = config.pop("oidc", None) or GenericOIDCClient(self.client_config)
        self.api = create_api("Site", "/api")
        register_oidc_bff_routes(self.api, OIDCBFFConfig(oidc, SECRET, **config))
        bearer = JWTBearer(
            JWTAuthConfig("fluxsync-bff", "fluxsync-app", ["HS256"], hs256_secret=SECRET)
        )

        @self.api.get("/me")
        @bearer.required
        def me() -> t.Any:
            return bearer.current().model_dump(include={"sub", "email"}, exclude_unset=True)

        def pages(environ: t.Any, start_response: t.Any) -> list[bytes]:
            start_response("200 OK", [("Content-Type", "text/html")])
            return [b"a page"]

        self.wsgi = DispatcherMiddleware(pages, {f"{root}/api": self.api})

    def browser(self) -> Browser:
        return Browser(self)


class Browser:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._client = Client(site.wsgi)

    def get(self, url: str) -> TestResponse:
        """Follow a link of the application's."""
        url = urljoin(f"{HOST}{self._site.root}/", url)
        assert url.startswith(HOST)
        return self._client.get(url.removeprefix(HOST), base_url=HOST)

    def begin(self, query: str = "") -> str:
        """Begin a login; return where the provider is asked."""
        response = self.get("api/auth/login" + query)
        assert response.status_code == 302, response.text
        return response.headers["Location"]

    def arrive(self, callback: str) -> str:
        """Come back from the provider; return the URL of the page."""
        response = self.get(callback)
        assert response.status_code == 302, response.text
        return urljoin(callback, response.headers["Location"])

    @property
    def cookie(self) -> str:
        path = self._site.root or "/"
        cookie = self._client.get_cookie(COOKIE, "apps.example", path)
        return cookie.value if cookie else ""

    def redeem(self, page: str) -> TestResponse:
        """Do what the page does with its URL."""
        code = parse_qs(urlsplit(page).query)["auth_code"][0]
        # Streamlit's process calls the API: it has no cookies of its own.
        return Client(self._site.wsgi).post(
            f"{self._site.root}/api/auth/exchange", json={"code": code, "browser": self.cookie}
        )


@pytest.fixture
def provider() -> t.Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture(params=["", "/some/prefix"], ids=["root", "prefix"])
def root(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(response: TestResponse, status: int, text: str) -> None:
    assert response.status_code == status
    assert response.mimetype == "text/html"
    assert text in response.text
    assert 'href="' in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_login(provider: Provider, root: str) -> None:
    """From the link to a call of the API, with the default mount of the API."""
    site = Site(provider, root)
    browser = site.browser()

    url = browser.begin()
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["redirect_uri"] == f"{HOST}{root}/api/auth/callback"
    assert asked["code_challenge_method"] == "S256"
    assert {len(asked["state"]), len(asked["nonce"])} == {43}
    page = browser.arrive(provider.sign_in(url))
    assert page.startswith(f"{HOST}{root}/?auth_code=")
    assert browser.get(page).text == "a page"
    answer = browser.redeem(page)

    assert answer.json is not None
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 3600)
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert Client(site.api).get("/me", headers=headers).json == {"sub": "ada"}
    [(form, authorization)] = provider.asked
    challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(challenge).decode().rstrip("=") == asked["code_challenge"]
    assert form["redirect_uri"] == asked["redirect_uri"]
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"app:p%3Aw"


def test_nothing_of_it_is_cached_or_told_to_others(provider: Provider) -> None:
    browser = Site(provider, "").browser()

    response = browser.get("api/auth/login")

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    [cookie] = response.headers.getlist("Set-Cookie")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "ada" not in cookie


def test_page_after_a_login(provider: Provider, root: str) -> None:
    browser = Site(provider, root).browser()

    page = browser.arrive(provider.sign_in(browser.begin("?next=/reports?year=2024")))

    assert page.startswith(f"{HOST}{root}/reports?year=2024&auth_code=")


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_login_leads_nowhere_else(provider: Provider, path: str) -> None:
    browser = Site(provider, "").browser()

    refused(browser.get(f"api/auth/login?next={path}"), 400, "somewhere else")


def test_two_tabs(provider: Provider) -> None:
    browser = Site(provider, "").browser()

    first, second = browser.begin("?next=/a"), browser.begin("?next=/b")

    assert "/b?" in browser.arrive(provider.sign_in(second))
    assert "/a?" in browser.arrive(provider.sign_in(first))


def test_more_tabs_than_fit_into_a_cookie(provider: Provider) -> None:
    browser = Site(provider, "").browser()
    path = "/" + "x" * 255

    urls = [browser.begin(f"?next={path}") for _ in range(6)]

    assert len(browser.cookie) < 4000
    refused(browser.get(provider.sign_in(urls[0])), 400, "over")
    assert browser.arrive(provider.sign_in(urls[-1]))


def test_attackers_login_in_another_browser(provider: Provider) -> None:
    """RFC 9700 4.7.1: somebody has a user's browser end the login of somebody else."""
    site = Site(provider, "")
    attacker, user = site.browser(), site.browser()
    callback = provider.sign_in(attacker.begin(), "mallory")

    refused(user.get(callback), 400, "in this browser")
    user.begin()
    refused(user.get(callback), 400, "in this browser")
    assert not provider.asked


def test_attackers_code_in_another_browser(provider: Provider) -> None:
    """The link to the page is worth nothing elsewhere, and nothing any more."""
    site = Site(provider, "")
    attacker, user = site.browser(), site.browser()
    page = attacker.arrive(provider.sign_in(attacker.begin(), "mallory"))
    user.begin()

    assert user.redeem(page).status_code == 401
    assert attacker.redeem(page).status_code == 401


def test_code_without_a_browser(provider: Provider) -> None:
    site = Site(provider, "")
    browser = site.browser()
    page = browser.arrive(provider.sign_in(browser.begin()))

    answer = Site.browser(site).redeem(page)

    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"


def test_code_works_once(provider: Provider) -> None:
    site = Site(provider, "")
    browser = site.browser()
    page = browser.arrive(provider.sign_in(browser.begin()))

    assert [browser.redeem(page).status_code for _ in range(2)] == [200, 401]


def test_callback_works_once(provider: Provider) -> None:
    browser = Site(provider, "").browser()
    callback = provider.sign_in(browser.begin())

    browser.arrive(callback)

    refused(browser.get(callback), 400, "over")
    assert len(provider.asked) == 1


def test_old_code(provider: Provider) -> None:
    store = InMemoryOIDCBFFTokenStore(otc_ttl_seconds=-1)
    browser = Site(provider, "", bff_token_store=store).browser()

    page = browser.arrive(provider.sign_in(browser.begin()))

    assert browser.redeem(page).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 422),
        ("null", 422),
        ("[]", 422),
        ("{}", 422),
        ('{"code": "short"}', 422),
        ('{"code": 12345678}', 422),
        ('{"code": "' + "x" * 257 + '"}', 422),
        ('{"code": "' + r"\ud800" * 8 + '"}', 422),
        ("[" * 10_000, 422),
        ("\xff", 422),
        ("x" * 20_000, 413),
    ],
    ids=range(11),
)
def test_malformed_exchange(provider: Provider, body: str, status: int) -> None:
    client = Client(Site(provider, "").api)

    response = client.post("/auth/exchange", data=body.encode("latin-1"))

    assert response.status_code == status
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("cookie", ["x", "", "W10.x.y"])
def test_forged_cookie(provider: Provider, cookie: str) -> None:
    site = Site(provider, "")
    browser = site.browser()
    page = browser.arrive(provider.sign_in(browser.begin()))
    code = parse_qs(urlsplit(page).query)["auth_code"][0]

    answer = Client(site.api).post("/auth/exchange", json={"code": code, "browser": cookie})

    assert answer.status_code == 401


def test_code_of_another_login(provider: Provider) -> None:
    """RFC 9700 4.5: the nonce tells, where the provider doesn't check PKCE."""
    browser = Site(provider, "").browser()

    callback = provider.sign_in(browser.begin(), nonce="another")

    refused(browser.get(callback), 400, "another sign-in")


def test_used_code_of_the_provider(provider: Provider) -> None:
    site = Site(provider, "")
    browser = site.browser()
    callback = provider.sign_in(browser.begin())
    code = parse_qs(urlsplit(callback).query)["code"][0]
    browser.arrive(callback)
    state = parse_qs(urlsplit(browser.begin()).query)["state"][0]

    refused(browser.get(f"api/auth/callback?code={code}&state={state}"), 400, "any more")


def test_user_denies(provider: Provider) -> None:
    browser = Site(provider, "").browser()

    refused(browser.get(provider.deny(browser.begin())), 403, "refused the sign-in")


def test_error_of_the_provider_is_escaped(provider: Provider) -> None:
    browser = Site(provider, "").browser()
    state = parse_qs(urlsplit(browser.begin()).query)["state"][0]

    response = browser.get(
        f"api/auth/callback?state={state}&error=invalid_scope&error_description=<script>"
    )

    refused(response, 400, "invalid_scope")
    assert "<script>" not in response.text


def test_strangers_can_put_no_text_on_the_page(provider: Provider) -> None:
    browser = Site(provider, "").browser()

    response = browser.get("api/auth/callback?state=x&error=x&error_description=Call+me")

    refused(response, 400, "in this browser")
    assert "Call me" not in response.text


def test_answer_of_another_provider(provider: Provider) -> None:
    browser = Site(provider, "").browser()

    callback = provider.sign_in(browser.begin()) + "&iss=https://evil.example"

    refused(browser.get(callback), 400, "Another provider")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(({"error": "invalid_client"}, 401), id="wrong client"),
        pytest.param(("down", 500), id="failure"),
        pytest.param(({"access_token": "x"}, 200), id="no id_token"),
        pytest.param(({"id_token": "x.y.z"}, 200), id="no token"),
        pytest.param(([], 200), id="no object"),
        pytest.param(({}, 302), id="redirect"),
    ],
)
def test_token_endpoint_fails(
    provider: Provider, answer: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Site(provider, "").browser()
    callback = provider.sign_in(browser.begin())
    provider.answer = answer

    refused(browser.get(callback), 502, "provider")
    assert "a login fails" in caplog.text
    assert parse_qs(urlsplit(callback).query)["code"][0] not in caplog.text


def test_provider_is_down(provider: Provider) -> None:
    browser = Site(provider, "").browser()
    callback = provider.sign_in(browser.begin())
    other = Site(provider, "").browser()
    provider.close()

    refused(browser.get(callback), 502, "can&#x27;t be asked")
    refused(other.get("api/auth/login"), 502, "can&#x27;t be asked")


def test_provider_is_another_one(provider: Provider) -> None:
    provider.metadata = {"issuer": "https://other.example"}

    refused(Site(provider, "").browser().get("api/auth/login"), 502, "can&#x27;t be asked")


def test_metadata_and_keys_are_asked_for_once(provider: Provider) -> None:
    site = Site(provider, "")

    for _ in range(3):
        browser = site.browser()
        browser.arrive(provider.sign_in(browser.begin()))

    assert [p for p in provider.paths if p in ("/.well-known/openid-configuration", "/jwks")] == [
        "/.well-known/openid-configuration",
        "/jwks",
    ]


def test_copied_claims(provider: Provider) -> None:
    site = Site(provider, "", copy_claims=["email", "absent"])
    browser = site.browser()

    answer = browser.redeem(browser.arrive(provider.sign_in(browser.begin(), "ada@example.org")))

    assert answer.json is not None
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims.get("email")) == ("ada@example.org", "ada@example.org")
    assert "absent" not in claims


def test_store_has_no_token(provider: Provider) -> None:
    """Who reads it can neither redeem a code nor call the API."""
    kept: dict[str, str] = {}

    class Store(InMemoryOIDCBFFTokenStore):
        def save_exchange_token(self, auth_code: str, access_token: str, *, now: float) -> None:
            kept["text"] = access_token
            super().save_exchange_token(auth_code, access_token, now=now)

    browser = Site(provider, "", bff_token_store=Store()).browser()
    answer = browser.redeem(browser.arrive(provider.sign_in(browser.begin())))

    assert answer.json is not None
    assert answer.json["access_token"] not in kept["text"]


def test_forged_login_in_the_store(provider: Provider) -> None:
    """Pages, and views that take ids from clients, can write to it as well."""
    store = InMemoryOIDCBFFTokenStore()
    browser = Site(provider, "", bff_token_store=store).browser()
    browser.begin()
    pending = Cookies(SECRET, 600).load(browser.cookie)
    assert pending
    own = pending.browser
    forger = Cookies("a secret of somebody else, long enough", 600)
    for code, text in (
        ("a" * 43, json.dumps({"browser": own, "sub": "root", "claims": {}})),
        ("b" * 43, json.dumps([own, "root", {}])),
        ("c" * 43, forger._serializer.dumps([own, "root", {}])),
        # What is signed for something else is no login.
        ("d" * 43, browser.cookie),
    ):
        store.save_exchange_token(code, text, now=time.time())
        assert browser.redeem(f"/?auth_code={code}").status_code == 401


def test_login_of_another_code(provider: Provider) -> None:
    """Nobody who can write to the store makes a login that is kept good for another code."""
    store = InMemoryOIDCBFFTokenStore()
    browser = Site(provider, "", bff_token_store=store).browser()
    page = browser.arrive(provider.sign_in(browser.begin()))
    [(text, _)] = store._tokens.values()
    assert browser.redeem(page).status_code == 200

    store.save_exchange_token("x" * 43, text, now=time.time())

    assert browser.redeem(f"/?auth_code={'x' * 43}").status_code == 401


def test_store_fails(provider: Provider) -> None:
    class Store:
        def save_exchange_token(self, auth_code: str, access_token: str, *, now: float) -> None:
            raise SessionError("session store: down")

        def pop_exchange_token(self, auth_code: str, *, now: float) -> str | None:
            raise SessionError("session store: down")

    browser = Site(provider, "", bff_token_store=Store()).browser()

    refused(browser.get(provider.sign_in(browser.begin())), 503, "can&#x27;t keep this sign-in")
    answer = browser.redeem("/?auth_code=12345678")
    assert answer.status_code == 503
    assert "down" not in answer.text


def test_slash_after_the_issuer(provider: Provider) -> None:
    """RFC 9207: the provider says who it is, and may write it another way than we do."""
    site = Site(provider, "")
    browser = site.browser()

    assert browser.arrive(provider.sign_in(browser.begin()) + f"&iss={provider.issuer}/")


@pytest.mark.parametrize(("url", "is_secure"), [("https://a.example", True), ("http://a", False)])
def test_cookie_of_a_public_url(provider: Provider, url: str, is_secure: bool) -> None:
    """Whatever the request says: there may be a proxy that nobody has been told to trust."""
    response = Site(provider, "", public_base_url=url).browser().get("api/auth/login")

    [cookie] = response.headers.getlist("Set-Cookie")
    assert ("Secure" in cookie.split("; ")) is is_secure


def test_logout(provider: Provider, root: str) -> None:
    browser = Site(provider, root).browser()
    browser.begin()

    response = browser.get("api/auth/logout")

    url = response.headers["Location"]
    assert url.startswith(f"{provider.issuer}/oauth2/end_session?client_id=app&")
    assert parse_qs(urlsplit(url).query)["post_logout_redirect_uri"] == [f"{HOST}{root}/"]
    assert not browser.cookie


def test_logout_without_a_provider(provider: Provider, root: str) -> None:
    browser = Site(provider, root).browser()
    provider.close()

    response = browser.get("api/auth/logout")

    assert response.status_code == 302
    assert (
        urljoin(f"{HOST}{root}/api/auth/logout", response.headers["Location"]) == f"{HOST}{root}/"
    )


@pytest.mark.parametrize(
    ("url", "base"),
    [
        pytest.param("https://example.org", "https://example.org/some/prefix", id="origin"),
        pytest.param("https://example.org/app/", "https://example.org/app", id="with a path"),
    ],
)
def test_public_url(provider: Provider, url: str, base: str) -> None:
    browser = Site(provider, "/some/prefix", public_base_url=url).browser()

    asked = browser.begin()

    assert f"redirect_uri={base}/api/auth/callback&" in unquote(asked)
    callback = f"{HOST}/some/prefix/api/auth/callback?" + urlsplit(provider.sign_in(asked)).query
    assert browser.get(callback).headers["Location"].startswith(f"{base}/?auth_code=")


class Custom:
    """A provider of one's own, with no more than the protocol says."""

    def __init__(self, provider: Provider, **claims: t.Any) -> None:
        self._client = GenericOIDCClient(GenericOIDCClientConfig(provider.issuer, "app", "pw"))
        self.claims = claims

    @property
    def issuer(self) -> str:
        return self._client.issuer

    def authorization_url(self, **parameters: t.Any) -> str:
        return self._client.authorization_url(**parameters)

    def exchange_code(self, **parameters: t.Any) -> dict[str, t.Any]:
        tokens = self._client.exchange_code(**parameters)
        claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
        return {"id_token": jwt.encode({**claims, **self.claims}, "k" * 32)}


def test_custom_provider_must_be_allowed(provider: Provider) -> None:
    with pytest.raises(ValueError, match=r"^oidc=Custom has no verify_id_token: "):
        Site(provider, "", oidc=Custom(provider))


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        pytest.param({}, 302, id="right"),
        pytest.param({"exp": 1}, 502, id="too old"),
        pytest.param({"iss": "https://evil.example"}, 502, id="another issuer"),
        pytest.param({"aud": "other"}, 502, id="another audience"),
        pytest.param({"nonce": "x"}, 400, id="another login"),
        pytest.param({"sub": ""}, 502, id="nobody"),
    ],
)
def test_custom_provider(provider: Provider, claims: dict[str, t.Any], status: int) -> None:
    site = Site(
        provider,
        "",
        oidc=Custom(provider, **claims),
        allow_unverified_id_token_for_custom_oidc=True,
        id_token_audience="app",
    )
    browser = site.browser()

    assert browser.get(provider.sign_in(browser.begin())).status_code == status


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_party_secret": "hunter2"}, "first_party_secret='***' has 7 bytes: expected 32"),
        ({"login_path": "auth"}, "login_path='auth': expected a path"),
        ({"streamlit_redirect_path": "//evil"}, "streamlit_redirect_path='//evil': expected"),
        ({"otc_ttl_seconds": 0}, "otc_ttl_seconds=0: expected a number over 0"),
        ({"id_token_leeway_seconds": 301}, "id_token_leeway_seconds=301: expected"),
        ({"copy_claims": ["iss"]}, "copy_claims has 'iss': expected"),
        ({"copy_claims": "email"}, "copy_claims has 'email': expected"),
        ({"scope": "email"}, "scope='email': expected openid"),
        ({"public_base_url": "x"}, "public_base_url='x': expected"),
        ({"public_base_url": "https://a/api"}, "without /api"),
    ],
)
def test_bad_configuration(changes: dict[str, t.Any], message: str) -> None:
    oidc = GenericOIDCClient(GenericOIDCClientConfig("https://issuer.example", "app"))

    with pytest.raises(ValueError, match=re.escape(message)) as e:
        dataclasses.replace(OIDCBFFConfig(oidc, SECRET), **changes)

    assert "hunter2" not in str(e.value)
    assert "\n" not in str(e.value)
    assert SECRET not in repr(OIDCBFFConfig(oidc, SECRET))
