"""What nginx and caddy in front of a gateway have in common."""

from __future__ import annotations

import enum
import typing as t

from tests.support import http
from tests.support.processes import Server, free_port
from tests.support.waiting import eventually


class Prefix(enum.Enum):
    """What a front proxy does with the prefix under which it publishes the gateway."""

    NONE = "root"
    STRIP = "strip"
    FULL = "full"


class Front(Server):
    """A proxy on a port of its own; answers 404 outside of its prefix.

    :ivar path: Prefix with a slash at its end.
    """

    #: The command's name, to skip tests where it is missing.
    command: t.ClassVar[str]

    def __init__(self, gateway_port: int, prefix: Prefix, path: str = "/subdir") -> None:
        self.prefix = prefix
        self.path = "/" if prefix is Prefix.NONE else f"{path}/"
        self.port = free_port()
        super().__init__(*self.arguments())
        home = str(self.directory)
        self.env.update(HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home)
        self.configure(gateway_port)

    def arguments(self) -> tuple[str, ...]:
        """Return the command line; it runs in :attr:`directory`."""
        raise NotImplementedError

    def configure(self, gateway_port: int) -> None:
        """Write the configuration to :attr:`directory`."""
        raise NotImplementedError

    def start(self) -> None:
        super().start()
        eventually(self._answers, 20, lambda: f"{self.command} listens:\n{self.output}")

    def _answers(self) -> bool:
        assert self.popen.poll() is None, f"{self.command} ended:\n{self.output}"
        try:
            return bool(http.get(self.port, f"{self.path}healthz").status)
        except ConnectionError:
            return False

    def url(self, path: str = "") -> str:
        """Return a URL below the prefix.

        :param path: Without a slash at its beginning.
        """
        return f"http://127.0.0.1:{self.port}{self.path}{path}"

    def get(self, path: str = "", headers: t.Iterable[tuple[str, str]] = ()) -> http.Response:
        return http.get(self.port, f"{self.path}{path}", headers)
