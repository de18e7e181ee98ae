"""What a gateway gets in the place of its supervisor: nothing is started, nobody is asked."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ..exceptions import ConfigError, SupervisorError
from ..gateway.errors import Failure
from ..sansio.admission import Full
from ..sansio.balancing import Row, Table
from ..sansio.supervision import State

#: What clients are told who ask for a page.
NO_STREAMLIT = (
    "there is no Streamlit behind this test client: run pages with its streamlit(), or give it "
    "streamlit_upstream=FakeStreamlit()"
)


class StandIn:
    """Has the methods of a :class:`~fluxsync.process.client.SupervisorClient`.

    :param upstream: URL of the server in Streamlit's place; empty if there's none.
    :raise ConfigError: It isn't one.
    """

    #: Nobody logs users in.
    secret = ""
    #: Nobody asks for it.
    report: t.Callable[[], dict[str, t.Any]] | None = None

    def __init__(self, upstream: str) -> None:
        self.full = Full()
        row = Row("streamlit", State.STOPPED, "", None, False, NO_STREAMLIT)
        if upstream:
            row = Row("streamlit", State.RUNNING, *_address(upstream), True, "")
        self.table = Table(1, (row,))

    def start(self, is_leaving: t.Callable[[], bool] = lambda: False) -> None:
        """Start nothing."""

    def serving_table(self) -> Table:
        """Return the table.

        :raise Failure: Nobody serves.
        """
        if not self.table.serves:
            raise Failure(503, NO_STREAMLIT)
        return self.table

    def ask(self, kind: str, timeout: float) -> dict[str, t.Any]:
        """Return nothing: there's nobody to ask."""
        return {}

    def hand_over(self, *args: t.Any) -> None:
        """Take nothing over.

        :raise SupervisorError: Always.
        """
        raise SupervisorError("there is no supervisor in a test")


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme != "http":
        raise ConfigError(
            "streamlit_upstream", url, source="code", expected="http://host:port, as of a server"
        )
    return host, port
