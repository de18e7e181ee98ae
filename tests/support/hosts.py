"""Hosts that can't be had: what the proxy of each does to requests, and says to processes.

What isn't known of a host is as bad here as it may be there.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from tests.support.http import Headers
from tests.support.meddlers import Asked, Edit, Every, Meddling, Upgrade

GUID = "6a0c2b6e-1f3d-4f0e-9a53-0d2f5c1b7e44"
USER = '{"user":"ada","groups":["analysts"]}'
#: The token of every Workbench session that isn't given another one: a factor and a key.
WORKBENCH_TOKEN = "a433e59dc087"


@dataclass(frozen=True)
class Profile:
    """A host.

    :ivar mount: Path under which browsers find the gateway. ``{port}`` is the gateway's port,
        ``{token}`` what Workbench makes of it.
    :ivar stripped: Whether the host removes that from targets.
    :ivar does: What else it does.
    :ivar transport: What pages use there.
    :ivar environ: Variables of the gateway's process; ``{front}`` is the proxy's port.
    """

    transport: str = "websocket"
    mount: str = ""
    stripped: bool = True
    does: Meddling = field(default_factory=Meddling)
    environ: t.Mapping[str, str] = field(default_factory=dict)

    def mount_of(self, port: int) -> str:
        """Return the path under which the gateway of a port is found."""
        return self.mount.replace("{port}", str(port)).replace("{token}", workbench_token(port))

    def does_to(self, port: int) -> Meddling:
        """Return what the host does before the gateway of a port."""
        return replace(self.does, strip=self.mount_of(port) if self.stripped else "")

    def environ_of(self, front: int) -> dict[str, str]:
        """Return the environment of a gateway's process.

        :param front: Port of the proxy.
        """
        return {name: text.replace("{front}", str(front)) for name, text in self.environ.items()}


def workbench_token(port: int) -> str:
    """Return what stands in a Workbench URL for a port."""
    factor, key = int(WORKBENCH_TOKEN[:4], 16), int(WORKBENCH_TOKEN[4:], 16)
    return f"{((port * 8854 % 65535) * factor ^ key) & 0xFFFFFFFF:08x}"


def without(fields: Headers, *names: str) -> Headers:
    return [(name, value) for name, value in fields if name.lower() not in names]


def value(fields: Headers, wanted: str) -> str:
    return next((value for name, value in fields if name.lower() == wanted), "")


def mount(asked: Asked) -> str:
    """Return the three segments that a Workbench or Connect URL begins with at most."""
    return "/".join(asked.target.split("/")[:3])


def connect_asks(fields: Headers, asked: Asked) -> Headers:
    fields = without(
        fields, "rstudio-connect-app-base-url", "x-rsc-request", "rstudio-connect-credentials"
    )
    origin = f"http://{value(fields, 'host')}"
    return [
        *fields,
        ("RStudio-Connect-App-Base-URL", origin + mount(asked)),
        ("X-RSC-Request", origin + asked.target),
        ("RStudio-Connect-Credentials", USER),
        ("X-Correlation-ID", "0d2f5c1b"),
    ]


def connect_answers(fields: Headers, asked: Asked) -> Headers:
    """Move cookies under the content's path."""

    def moved(cookie: str) -> str:
        parts = cookie.split("; ")
        for number, part in enumerate(parts):
            name, _, path = part.partition("=")
            if name.lower() == "path":
                parts[number] = f"Path={mount(asked)}{path}"
        return "; ".join(parts)

    return [(name, moved(text) if name.lower() == "set-cookie" else text) for name, text in fields]


def workbench_asks(fields: Headers, asked: Asked) -> Headers:
    """Lie about the host, and say nothing of the prefix."""
    dropped = ["host", "accept-encoding", "x-forwarded-for"]
    return [("Host", f"localhost:{asked.gateway}"), *without(fields, *dropped)]


def with_prefix(segments: int) -> Edit:
    """Return an edit that puts so many segments of the target before rooted redirects."""

    def answers(fields: Headers, asked: Asked) -> Headers:
        prefix = "/".join(asked.target.split("/")[: segments + 1])
        return [
            (name, prefix + text if name.lower() == "location" and text[:1] == "/" else text)
            for name, text in fields
        ]

    return answers


def jupyter_asks(fields: Headers, asked: Asked) -> Headers:
    prefix = "/".join(asked.target.split("/")[:5])
    told = ("X-Forwarded-Context", "X-ProxyContextPath", "X-Forwarded-Prefix")
    return [*fields, *((name, prefix) for name in told)]


def heroku_asks(fields: Headers, asked: Asked) -> Headers:
    return [
        *without(fields, "x-request-id", "x-forwarded-proto", "x-forwarded-port", "via"),
        ("X-Request-Id", "7e4f2c11-6a0c-4f0e-9a53-0d2f5c1b7e44"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Port", str(asked.front)),
        ("X-Request-Start", "1790000000000"),
        ("Via", "1.1 vegur"),
    ]


def dokku_asks(fields: Headers, asked: Asked) -> Headers:
    """Say on every request that the connection is to be upgraded, as its templates did."""
    return [*without(fields, "connection"), ("Connection", "upgrade")]


CONNECT = {
    "POSIT_PRODUCT": "CONNECT",
    "RSTUDIO_PRODUCT": "CONNECT",
    "CONNECT_SERVER": "http://127.0.0.1:{front}/",
    "CONNECT_CONTENT_GUID": GUID,
    "R_CONFIG_ACTIVE": "rsconnect",
}
WORKBENCH = {
    "POSIT_PRODUCT": "WORKBENCH",
    "RS_SERVER_URL": "http://127.0.0.1:{front}/",
    "RS_SESSION_URL": "/s/9f5b2/",
    "RS_PORT_TOKEN": WORKBENCH_TOKEN,
}
JUPYTERHUB = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}
CODE_SERVER = {"VSCODE_PROXY_URI": "http://127.0.0.1:{front}/proxy/{{port}}/"}
#: What a Procfile platform says; heroku's buildpack sets the second.
PROCFILE = {"DYNO": "web.1", "FORWARDED_ALLOW_IPS": "*", "WEB_CONCURRENCY": "2"}

_CONNECT = Meddling(ask=connect_asks, answer=connect_answers)
_CLOSED = Meddling(upgrade=Upgrade.FORGET)

PROFILES = {
    "connect": Profile(mount=f"/content/{GUID}", does=_CONNECT, environ=CONNECT),
    # Whether WebSockets reach a Flask application there isn't documented.
    "connect without WebSockets": Profile(
        "stream",
        f"/content/{GUID}",
        does=replace(_CONNECT, upgrade=Upgrade.FORGET),
        environ=CONNECT,
    ),
    "workbench": Profile(
        mount="/s/9f5b2/p/{token}",
        does=Meddling(buffered=True, kept=False, ask=workbench_asks, answer=with_prefix(4)),
        environ=WORKBENCH,
    ),
    "jupyter": Profile(
        mount="/user/ada/proxy/{port}",
        does=Meddling(buffered=True, ask=jupyter_asks),
        environ=JUPYTERHUB,
    ),
    "jupyterabs": Profile(
        mount="/user/ada/proxy/absolute/{port}",
        stripped=False,
        does=Meddling(buffered=True),
        environ=JUPYTERHUB,
    ),
    "codeserver": Profile(
        mount="/proxy/{port}", does=Meddling(answer=with_prefix(2)), environ=CODE_SERVER
    ),
    "codeserver absproxy": Profile(mount="/absproxy/{port}", stripped=False, environ=CODE_SERVER),
    # Scalingo is the same with 29 s, Cloud Foundry with 900.
    "heroku": Profile(does=Meddling(first_byte=30, idle=55, ask=heroku_asks), environ=PROCFILE),
    "dokku": Profile(does=Meddling(idle=60, ask=dokku_asks), environ=PROCFILE),
    "passenger": Profile("short-poll", does=replace(_CLOSED, buffered=True, serial=True)),
    "gae": Profile("long-poll", does=replace(_CLOSED, buffered=True, largest=32_000_000)),
    "no WebSocket": Profile("stream", does=_CLOSED),
    "loses responses": Profile(
        "long-poll",
        does=replace(_CLOSED, buffered=True, kept=False, lost=Every(4, "exchange")),
    ),
}
