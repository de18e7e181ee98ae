"""A real OpenID provider, and a server of keys, each on a port of this machine."""

from __future__ import annotations

import base64
import contextlib
import json
import multiprocessing
import threading
import time
import typing as t
import warnings
from urllib.parse import parse_qsl, urlencode, urlsplit

import authlib.deprecate  # noqa: F401 # it has its warnings shown always; from now on
import flask
import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from werkzeug.serving import WSGIRequestHandler, make_server

if t.TYPE_CHECKING:
    from fluxsync.typing import WSGIApplication

with warnings.catch_warnings():
    # Libraries below it are deprecated by their authors.
    warnings.simplefilter("ignore")
    import oidc_provider_mock

# Werkzeug's debugger, which the provider has around it, counts in shared memory. This process gets
# its piece now, as it never gives it back.
_COUNTER = multiprocessing.Value("B")


class _Handler(WSGIRequestHandler):
    def log(self, *args: t.Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(app: WSGIApplication) -> t.Iterator[str]:
    """Serve an application, and return its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
    server.daemon_threads = False  # type: ignore[attr-defined] # it joins those of requests
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="provider")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Provider:
    """An OpenID provider, which notes what its token endpoint was asked."""

    def __init__(self) -> None:
        self._app = oidc_provider_mock.app()
        #: Of each request to the token endpoint: its form and ``Authorization``.
        self.asked: list[tuple[dict[str, str], str]] = []
        #: Paths of all requests.
        self.paths: list[str] = []
        #: What the token endpoint answers instead of a token.
        self.answer: tuple[t.Any, int] | None = None
        #: Members of the metadata that are different.
        self.metadata: dict[str, t.Any] = {}
        self._app.before_request(self._note)
        self._app.after_request(self._change)

    def _note(self) -> flask.Response | None:
        self.paths.append(flask.request.path)
        if flask.request.path != "/oauth2/token":
            return None
        authorization = flask.request.headers.get("Authorization", "")
        self.asked.append((flask.request.form.to_dict(), authorization))
        return flask.make_response(*self.answer) if self.answer else None

    def _change(self, response: flask.Response) -> flask.Response:
        if self.metadata and flask.request.path.startswith("/.well-known/"):
            response.set_data(json.dumps({**(response.get_json() or {}), **self.metadata}))
        return response

    def __enter__(self) -> Provider:
        self._stack = contextlib.ExitStack()
        # Its issuer is the URL at which it's asked.
        self.issuer = self._stack.enter_context(served(self._app))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def close(self) -> None:
        """Answer no more."""
        self._stack.close()

    def sign_in(self, url: str, name: str = "ada", **changes: str) -> str:
        """Do what a user does at the provider; return where it sends the browser.

        :param changes: Parameters of the URL that are different.
        """
        return self._post(url, {"sub": name}, changes)

    def deny(self, url: str) -> str:
        """Refuse; return where the browser is sent."""
        # This provider forgets the state, which it MUST send (RFC 6749 4.1.2.1).
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        return self._post(url, {"action": "deny"}, {}) + "&" + urlencode({"state": state})

    def _post(self, url: str, form: dict[str, str], changes: dict[str, str]) -> str:
        parts = urlsplit(url)
        assert url.startswith(f"{self.issuer}/oauth2/authorize?")
        query = urlencode({**dict(parse_qsl(parts.query)), **changes})
        with requests.post(
            parts._replace(query=query).geturl(), form, allow_redirects=False, timeout=10
        ) as response:
            assert response.status_code == 302, response.text
            return response.headers["Location"]


class Issuer:
    """Signs tokens, and publishes the keys with which they're checked."""

    rsa_key = rsa.generate_private_key(65537, 2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())

    def __init__(self) -> None:
        self.keys = [self.public("rsa"), self.public("ec")]
        self.fetched = 0
        self.body: str | None = None
        self.status = 200

    def __enter__(self) -> Issuer:
        self._stack = contextlib.ExitStack()
        self.url = self._stack.enter_context(served(self._answer)) + "/jwks"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def close(self) -> None:
        """Answer no more."""
        self._stack.close()

    def _answer(self, environ: t.Any, start_response: t.Any) -> list[bytes]:
        self.fetched += 1
        body = json.dumps({"keys": self.keys}) if self.body is None else self.body
        start_response(f"{self.status} X", [("Content-Type", "application/json")])
        return [body.encode()]

    def public(self, kid: str, **changes: t.Any) -> dict[str, t.Any]:
        """Return a key as it's published."""
        if kid.startswith("ec"):
            key = ECAlgorithm.to_jwk(self.ec_key.public_key(), as_dict=True)
        else:
            key = RSAAlgorithm.to_jwk(self.rsa_key.public_key(), as_dict=True)
        return {**key, "kid": kid, "use": "sig", **changes}

    def token(
        self,
        kid: str | None = "rsa",
        *,
        algorithm: str = "RS256",
        key: t.Any = None,
        **claims: t.Any,
    ) -> str:
        """Return a token."""
        now = int(time.time())
        content = {"iss": "https://issuer", "aud": "api", "sub": "ada", "iat": now, "exp": now + 60}
        content.update(claims)
        content = {name: value for name, value in content.items() if value is not None}
        signs_with = key or (self.ec_key if algorithm.startswith("ES") else self.rsa_key)
        headers = {"kid": kid} if kid else None
        return jwt.encode(content, signs_with, algorithm, headers)


def raw_token(header: t.Any, payload: t.Any, signature: bytes = b"") -> str:
    """Return a token that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts)
