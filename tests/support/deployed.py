"""Real proxies that run from the files in ``deploy/proxies``, as a user would change them."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import sys
import typing as t

from tests.support import http
from tests.support.certificates import TlsConnection, certificate
from tests.support.fronts import Front, Prefix
from tests.support.processes import ROOT, free_port
from tests.support.tunnel import Tunnel
from tests.support.websocket import RawWebSocket

PROXIES = ROOT / "deploy" / "proxies"
#: What the files' comments begin with, for each way to use a prefix.
CHOICES = {
    Prefix.NONE: (),
    Prefix.FULL: ("Under a prefix",),
    Prefix.STRIP: ("Under a prefix", "Prefix stripped"),
}
CHOICE = re.compile(r"( *)# (Under a prefix|Prefix stripped)(, also)?: (.*)")


def chosen(text: str, prefix: Prefix) -> str:
    """Return a file with the lines that its comments tell a user to put there."""
    lines: list[str] = []
    instead = ""
    for line in text.splitlines():
        if choice := CHOICE.fullmatch(line):
            space, name, also, content = choice.groups()
            if name in CHOICES[prefix] and also:
                lines.append(space + content)
            elif name in CHOICES[prefix]:
                instead = space + content
        elif instead and not line.lstrip().startswith("#"):
            lines.append(instead)
            instead = ""
        else:
            lines.append(line)
    return "\n".join([*lines, ""])


def program(name: str) -> str | None:
    """Return a program's path, also of those that came with a package from PyPI."""
    folders = [os.environ["PATH"], "/usr/sbin", os.path.dirname(sys.executable)]
    return shutil.which(name, path=os.pathsep.join(folders))


class TlsWebSocket(RawWebSocket):
    connection_class = TlsConnection


class TlsTunnel(Tunnel):
    connection_class = TlsConnection
    scheme = "https"


class Deployed(Front):
    """A proxy that speaks HTTPS, and sends those who come without it there.

    :ivar port: Where it speaks HTTPS.
    :ivar plain_port: Where it does not.
    """

    #: The files of ``deploy/proxies`` that it is started with.
    templates: t.ClassVar[tuple[str, ...]]

    def __init__(self, gateway_port: int, prefix: Prefix, path: str = "/tools/app") -> None:
        self.plain_port = free_port()
        super().__init__(gateway_port, prefix, path)

    @property
    def program(self) -> str:
        found = program(self.command)
        assert found, f"no {self.command} on this machine"
        return found

    def configure(self, gateway_port: int) -> None:
        made = certificate()
        both = made.certificate.read_text() + made.key.read_text()
        (self.directory / "all.pem").write_text(both)
        changes = {
            "/etc/ssl/app.example.org/fullchain.pem": str(made.certificate),
            "/etc/ssl/app.example.org/privkey.pem": str(made.key),
            "/etc/ssl/app.example.org/all.pem": "all.pem",
            "127.0.0.1:8000": f"127.0.0.1:{gateway_port}",
            "/tools/app": self.path.rstrip("/"),
            **self.changes(),
        }
        for name in self.templates:
            text = (PROXIES / name).read_text()
            text = chosen(text, self.prefix)
            for old, new in changes.items():
                text = text.replace(old, new)
            (self.directory / name).parent.mkdir(exist_ok=True)
            (self.directory / name).write_text(text)

    def changes(self) -> dict[str, str]:
        """Return what else is different from a user's machine: ports, above all."""
        raise NotImplementedError

    def _answers(self) -> bool:
        assert self.popen.poll() is None, f"{self.command} ended:\n{self.output}"
        try:
            return self.get("healthz").status == 200
        except (ConnectionError, ssl.SSLError):
            # Traefik listens before it has the certificate.
            return False

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def url(self, path: str = "") -> str:
        return f"{self.origin}{self.path}{path}"

    def connection(self) -> http.Connection:
        """Return a connection that speaks HTTP/1.1 over TLS."""
        return TlsConnection(self.port)

    def get(self, path: str = "", headers: t.Iterable[tuple[str, str]] = ()) -> http.Response:
        return self.request("GET", f"{self.path}{path}", headers)

    def request(
        self,
        method: str,
        target: str,
        headers: t.Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> http.Response:
        """Make one request; the target has the prefix."""
        with self.connection() as connection:
            fields = [*headers, ("Connection", "close")]
            return connection.request(method, target, fields, body)

    def websocket(self) -> TlsWebSocket:
        return TlsWebSocket(self.port, f"{self.path}_stcore/stream", [("Origin", self.origin)])

    def tunnel(self) -> TlsTunnel:
        return TlsTunnel(self.port, self.path.rstrip("/"))


class DeployedNginx(Deployed):
    command = "nginx"
    templates = ("nginx.conf",)

    def arguments(self) -> tuple[str, ...]:
        return (self.program, "-p", ".", "-e", "stderr", "-c", "main.conf")

    def changes(self) -> dict[str, str]:
        folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        main = [
            "user root;" if os.getuid() == 0 else "",
            "daemon off; worker_processes 1; error_log stderr notice; pid nginx.pid;",
            "events { worker_connections 1024; }",
            "http { access_log off;",
            *(f"{name}_temp_path {name};" for name in folders),
            "include nginx.conf; }",
        ]
        (self.directory / "main.conf").write_text("\n".join(main))
        return {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "app.example.org": "localhost",
        }


class DeployedCaddy(Deployed):
    command = "caddy"
    templates = ("Caddyfile",)

    def arguments(self) -> tuple[str, ...]:
        return (self.program, "run", "--config", "Caddyfile", "--adapter", "caddyfile")

    def changes(self) -> dict[str, str]:
        made = certificate()
        options = f"""\
{{
    admin off
    storage file_system storage
    http_port {self.plain_port}
    https_port {self.port}
    skip_install_trust
}}
localhost {{
    bind 127.0.0.1
    tls {made.certificate} {made.key}"""
        return {"app.example.org {": options}


class DeployedHaproxy(Deployed):
    command = "haproxy"
    templates = ("haproxy.cfg",)

    def arguments(self) -> tuple[str, ...]:
        return (self.program, "-db", "-f", "haproxy.cfg")

    def changes(self) -> dict[str, str]:
        return {
            "bind :80": f"bind 127.0.0.1:{self.plain_port}",
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "maxconn 10000": "maxconn 200",
        }


class DeployedApache(Deployed):
    command = "apache2"
    templates = ("apache.conf",)
    #: Those that Debian enables, as far as they matter here, and those that the file asks for.
    modules = (
        *("mpm_event", "authz_core", "alias", "setenvif", "reqtimeout", "socache_shmcb"),
        *("proxy", "proxy_http", "headers", "ssl", "http2"),
    )

    def arguments(self) -> tuple[str, ...]:
        return (self.program, "-DFOREGROUND", "-d", ".", "-f", "main.conf")

    def changes(self) -> dict[str, str]:
        folder = "/usr/lib/apache2/modules"
        main = [
            f"ServerRoot {self.directory}",
            *(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in self.modules),
            "PidFile apache.pid",
            "Mutex file:.",
            "ErrorLog /dev/stderr",
            "LogLevel warn",
            "ServerName localhost",
            f"Listen 127.0.0.1:{self.plain_port}",
            f"Listen 127.0.0.1:{self.port}",
            "Include apache.conf",
        ]
        (self.directory / "main.conf").write_text("\n".join([*main, ""]))
        return {
            "*:80": f"*:{self.plain_port}",
            "*:443": f"*:{self.port}",
            "https://app.example.org/": f"https://app.example.org:{self.port}/",
            "app.example.org": "localhost",
        }


class DeployedTraefik(Deployed):
    command = "traefik"
    templates = ("traefik/traefik.yaml", "traefik/fluxsync.yaml")

    def arguments(self) -> tuple[str, ...]:
        return (self.program, "--configFile=traefik/traefik.yaml")

    def changes(self) -> dict[str, str]:
        return {
            '":80"': f'"127.0.0.1:{self.plain_port}"',
            '":443"': f'"127.0.0.1:{self.port}"',
            "/etc/traefik/fluxsync.yaml": "traefik/fluxsync.yaml",
            "app.example.org": "localhost",
        }


DEPLOYED: tuple[type[Deployed], ...] = (
    DeployedNginx,
    DeployedCaddy,
    DeployedHaproxy,
    DeployedApache,
    DeployedTraefik,
)
