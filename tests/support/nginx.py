"""A real nginx in front of a gateway."""

from __future__ import annotations

import os
import shutil

from tests.support.fronts import Front, Prefix

CONFIGURATION = """\
{user}
worker_processes 1;
daemon off;
error_log stderr notice;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 0;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ""      "";
    }}
    server {{
        listen 127.0.0.1:{port};
        location {path} {{
            proxy_pass http://127.0.0.1:{gateway_port}{slash};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_read_timeout 300s;
        }}
    }}
}}
"""


class Nginx(Front):
    command = "nginx"

    def arguments(self) -> tuple[str, ...]:
        # Debian keeps it where the path of ordinary users does not lead.
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        return (nginx, "-p", ".", "-e", "stderr", "-c", "nginx.conf")

    def configure(self, gateway_port: int) -> None:
        text = CONFIGURATION.format(
            user="user root;" if os.getuid() == 0 else "",
            port=self.port,
            path=self.path,
            gateway_port=gateway_port,
            # nginx replaces the location by the path of proxy_pass, if that has one.
            slash="/" if self.prefix is Prefix.STRIP else "",
        )
        (self.directory / "nginx.conf").write_text(text)
