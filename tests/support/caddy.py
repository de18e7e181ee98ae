"""A real Caddy in front of a gateway."""

from __future__ import annotations

from tests.support.fronts import Front, Prefix

CONFIGURATION = """\
{{
    admin off
    auto_https off
    storage file_system storage
}}
http://127.0.0.1:{port} {{
    bind 127.0.0.1
    {directive} {path}* {{
        reverse_proxy 127.0.0.1:{gateway_port}
    }}
    respond 404
}}
"""


class Caddy(Front):
    command = "caddy"

    def arguments(self) -> tuple[str, ...]:
        return ("caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile")

    def configure(self, gateway_port: int) -> None:
        directive = "handle_path" if self.prefix is Prefix.STRIP else "handle"
        text = CONFIGURATION.format(
            port=self.port, directive=directive, path=self.path, gateway_port=gateway_port
        )
        (self.directory / "Caddyfile").write_text(text)
