"""Whose word is taken for what. No I/O."""

from __future__ import annotations

import functools
import typing as t

from . import headers
from .forwarding import ANEW, folded, is_lie, is_trusted

if t.TYPE_CHECKING:
    from ..typing import Headers
    from .forwarding import Client, Network


class _Remembered(dict[str, str]):
    """Decisions about names, made once for each: browsers send the same ones every time.

    Clients choose the names, so there's room for a limited number of limited length.
    """

    def __init__(self, decide: t.Callable[[str], str]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, key: str) -> str:
        decision = self._decide(key)
        if len(self) < 1000 and len(key) <= 64:
            self[key] = decision
        return decision


class Trust:
    """Whose word is taken for what, as the settings say it.

    Thread-safe.

    :param networks: Where trusted proxies are.
    :param identity: More names of fields that only a trusted proxy may send, in lower case
        and with ``-`` for ``_``.
    :param own: Names of fields that a trusted proxy sends to fluxsync, and nobody else, written
        like these.
    :param host: Names of fields that the host sends to the application, written like these.
        Nobody reaches this process but through the host.
    """

    def __init__(
        self,
        networks: t.Collection[Network],
        identity: t.Collection[str] = (),
        own: t.Collection[str] = (),
        host: t.Collection[str] = (),
    ) -> None:
        self._networks = tuple(networks)
        self._host = frozenset(host)
        self._identity = frozenset(identity) | frozenset(own)
        self._not_upstream = ANEW | frozenset(own)
        self._peers = functools.lru_cache(256)(self._is_trusted)
        self._upstream = [_Remembered(functools.partial(self._goes_on, via)) for via in (0, 1)]
        self._lies = [_Remembered(functools.partial(self._lie, via)) for via in (0, 1)]

    def is_trusted(self, address: str) -> bool:
        """Whether an address is that of a trusted proxy."""
        # No address is longer; what a client sends as one may be.
        return bool(self._networks) and len(address) <= 64 and self._peers(address)

    def _is_trusted(self, address: str) -> bool:
        return is_trusted(address, self._networks)

    def forwarded(self, environ: t.Mapping[str, t.Any], client: Client) -> Headers:
        """Return a request's end-to-end fields less the lies, and less what is said anew.

        :func:`added` says where the request comes from. ``Host``, and how the body is
        delimited, is for whoever sends it; the WSGI server has answered ``Expect`` already.
        """
        names = self._upstream[client.via_trusted]
        fields = [(name, value) for key, value in environ.items() if (name := names[key])]
        if content_type := environ.get("CONTENT_TYPE"):  # servers have it empty, too
            fields.append(("Content-Type", content_type))
        connection = environ.get("HTTP_CONNECTION")
        return headers.without(fields, frozenset(), connection) if connection else fields

    def _goes_on(self, via_trusted: int, key: str) -> str:
        """Return the name on the wire to Streamlit; ``""`` if the field doesn't go there."""
        name = headers.wire_name(key)
        via = bool(via_trusted)
        if name.lower() in self._not_upstream or self._is_lie(name, via):
            return ""
        return name

    def _is_lie(self, name: str, via_trusted: bool) -> bool:
        if folded(name) in self._host:
            return False
        return is_lie(name, self._identity, via_trusted=via_trusted)

    def lies(self, environ: t.Mapping[str, t.Any], client: Client) -> list[str]:
        """Return the keys of what the API must not see."""
        lies = self._lies[client.via_trusted]
        return [key for key in environ if lies[key]]

    def _lie(self, via_trusted: int, key: str) -> str:
        name = headers.wire_name(key)
        return name if self._is_lie(name, bool(via_trusted)) else ""
