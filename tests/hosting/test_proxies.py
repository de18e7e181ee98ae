"""The proxies' files in ``deploy/proxies`` do what fluxsync needs, at the root and below it."""

from __future__ import annotations

import contextlib
import hashlib
import random
import typing as t
from urllib.parse import urljoin, urlsplit

import pytest

from fluxsync.sansio import forwarding
from tests.support import frames, http
from tests.support.deployed import DEPLOYED, Deployed, program
from tests.support.fronts import Prefix
from tests.support.gateways import Gateway
from tests.support.upstream import FakeStreamlit

pytestmark = pytest.mark.live_server

#: Of each family of names, those that the family's sender is known for.
FAMILIES = """
    Cf-Access-Jwt-Assertion Cf-Access-Authenticated-User-Email Oidc-Claim-Sub Oidc-Claim-Email
    Rstudio-Connect-App-Base-Url Rstudio-Connect-Credentials Ssl-Client-Cert Ssl-Client-S-Dn
    Tailscale-User-Login Tailscale-User-Name X-Amzn-Oidc-Accesstoken X-Amzn-Oidc-Data
    X-Amzn-Oidc-Identity X-Auth-Request-Access-Token X-Auth-Request-Email X-Auth-Request-Groups
    X-Auth-Request-Preferred-Username X-Auth-Request-User X-Authenticated-User
    X-Authentik-Email X-Authentik-Groups X-Authentik-Jwt X-Authentik-Username
    X-Envoy-External-Address X-Envoy-Original-Path X-Forwarded-Access-Token
    X-Forwarded-Context X-Forwarded-Email X-Forwarded-Groups
    X-Forwarded-Preferred-Username X-Forwarded-Ssl X-Forwarded-User
    X-Goog-Authenticated-User-Email X-Goog-Iap-Jwt-Assertion X-Ms-Client-Principal
    X-Ms-Client-Principal-Name X-Ms-Token-Aad-Access-Token X-Ssl-Client-S-Dn
    X-Ssl-Client-Verify X-Vouch-Idp-Accesstoken X-Vouch-User
"""
SAID_BY_PROXIES = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port"]
SINGLE = sorted(forwarding.FORWARDING | forwarding.IDENTITY)
#: gunicorn takes these two from trusted peers, underscore and all.
UNDERSCORED = ["SCRIPT_NAME", "PATH_INFO"]
FORGED = [*SAID_BY_PROXIES, "X-Forwarded-Prefix", *SINGLE, *FAMILIES.split(), *UNDERSCORED]


class Fronts:
    """A gateway and the proxies before it; started when first needed."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._fronts: dict[tuple[type[Deployed], Prefix], Deployed] = {}
        self.upstream = stack.enter_context(FakeStreamlit())
        env = {"FLUXSYNC_APP": "tests.live.apps:app", "FLUXSYNC_TRUST_PROXY": "true"}
        self.gateway = Gateway(upstream=self.upstream, env=env)
        self.upstream.shared = self.gateway.shared = True
        stack.enter_context(self.gateway)

    def front(self, kind: type[Deployed], prefix: Prefix) -> Deployed:
        key = (kind, prefix)
        if key not in self._fronts:
            self._fronts[key] = front = kind(self.gateway.port, prefix)
            front.shared = True
            self._stack.enter_context(front)
        return self._fronts[key]


@pytest.fixture(scope="module")
def fronts() -> t.Iterator[Fronts]:
    with contextlib.ExitStack() as stack:
        yield Fronts(stack)


@pytest.fixture(params=DEPLOYED, ids=[kind.command for kind in DEPLOYED])
def kind(request: pytest.FixtureRequest) -> type[Deployed]:
    kind: type[Deployed] = request.param
    skip_without(kind)
    return kind


@pytest.fixture(params=Prefix, ids=[prefix.value for prefix in Prefix])
def front(request: pytest.FixtureRequest, kind: type[Deployed], fronts: Fronts) -> Deployed:
    return fronts.front(kind, request.param)


def skip_without(kind: type[Deployed]) -> None:
    if not program(kind.command):
        pytest.skip(f"no {kind.command} on this machine")


def fields(response: http.Response) -> dict[str, str]:
    """Return what the API got, with names in lower case."""
    return {name.lower(): value for name, value in response.json()["headers"]}


def test_every_family_is_tried() -> None:
    prefixes = (*forwarding.FORWARDING_PREFIXES, *forwarding.IDENTITY_PREFIXES)
    tried = [name.lower() for name in FAMILIES.split()]

    assert [p for p in prefixes if not any(name.startswith(p) for name in tried)] == []


def test_what_the_api_learns(front: Deployed) -> None:
    """Scheme, address and place are true, and nothing of them is a client's word."""
    root = front.path.rstrip("/")

    honest = front.get("api/echo?x=%2F")
    forged = front.get("api/echo", [(name, "/forged") for name in FORGED])

    for response in (honest, forged):
        answer = response.json()
        assert answer["script_root"] == f"{root}/api"
        assert answer["url"] == front.url("api/echo")
        assert answer["remote_addr"] == "127.0.0.1"
        assert "forged" not in response.text
    assert fields(honest)["host"] == f"localhost:{front.port}"


def test_what_streamlit_gets(front: Deployed, fronts: Fronts) -> None:
    """Its targets are what the browser meant, and it knows where it is."""
    fronts.upstream.reset()
    root = front.path.rstrip("/")

    front.get("echo/a%20b?c=%2F")

    [request] = fronts.upstream.requests
    assert request.target == "/echo/a%20b?c=%2F"
    assert request.get("X-Forwarded-Prefix") == root
    assert request.get("X-Forwarded-Proto") == "https"


def test_paths_to_the_byte(kind: type[Deployed], fronts: Fronts) -> None:
    """Unless the proxy strips the prefix."""
    fronts.upstream.reset()

    fronts.front(kind, Prefix.FULL).get("echo/a%2Fb%3Fc//d")

    assert [request.target for request in fronts.upstream.requests] == ["/echo/a%2Fb%3Fc//d"]


def test_prefix_without_its_slash(kind: type[Deployed], fronts: Fronts) -> None:
    for prefix in (Prefix.STRIP, Prefix.FULL):
        front = fronts.front(kind, prefix)

        response = front.request("GET", "/tools/app")

        assert response.status in (301, 302, 307, 308)
        target = urljoin(front.url("")[:-1], response.get("Location"))
        assert target == front.url()


def test_nothing_beside_the_prefix(kind: type[Deployed], fronts: Fronts) -> None:
    front = fronts.front(kind, Prefix.FULL)
    fronts.upstream.reset()

    for target in ("/", "/tools/appendix"):
        front.request("GET", target)

    assert fronts.upstream.requests == []


def test_https_only(kind: type[Deployed], fronts: Fronts) -> None:
    front = fronts.front(kind, Prefix.FULL)

    response = http.get(front.plain_port, f"{front.path}page?x=1", [("Host", "localhost")])

    assert response.status in (301, 308)
    assert urlsplit(response.get("Location"))._replace(netloc="") == urlsplit(
        f"https:{front.path}page?x=1"
    )


def test_websocket(front: Deployed) -> None:
    with front.websocket() as websocket:
        assert websocket.echo("hello") == "hello"


def test_stream_without_websocket(front: Deployed) -> None:
    """Nothing of it is kept until there is more, and its cookie is for this place alone."""
    with front.tunnel() as tunnel:
        opened = tunnel.open(transport="stream")
        assert opened.status == 200
        path = front.path.rstrip("/") or "/"
        assert opened.get("Set-Cookie").endswith(f"; Path={path}; HttpOnly; SameSite=Lax; Secure")
        for word in ("one", "two", "three"):
            tunnel.send(frames.text(word))
            assert tunnel.receive().payload.decode() == word


def test_large_upload(front: Deployed) -> None:
    """Streamlit's limit is 200 MB; what proxies allow by themselves ends at 1 MB."""
    body = random.randbytes(3_000_000)

    answer = front.request("POST", f"{front.path}api/echo", body=body).json()

    assert answer["body_sha256"] == hashlib.sha256(body).hexdigest()
