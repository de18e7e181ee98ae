"""Which names a site may be called by (RFC 9110 7.4). No I/O.

A foreign page whose name suddenly means this server (DNS rebinding) is, to a browser, the same
site as this server. And links in mails are made of the name that somebody has asked for.
"""

from __future__ import annotations

import re
import typing as t

#: RFC 1123 2.1, and ``_``, which some private networks have.
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_IPV6 = re.compile(r"\[[0-9a-f:.]{2,45}\]")
_PORT = re.compile(r":[0-9]{0,5}")


def is_pattern(text: str) -> bool:
    """Whether text is a host name, an address, or ``.example.org`` for what is below a name."""
    return len(text) <= 253 and bool(
        _NAME.fullmatch(text.removeprefix(".")) or _IPV6.fullmatch(text)
    )


def name_of(host: str) -> str:
    """Return the name in a ``Host`` field, in lower case; ``""`` if it's malformed.

    :param host: Name or address, maybe with a port.
    """
    if len(host) > 260:
        return ""
    host = host.lower()
    end = host.rfind(":")
    if end > host.rfind("]"):
        if not _PORT.fullmatch(host, end):
            return ""
        host = host[:end]
    host = host.removesuffix(".")
    return host if _NAME.fullmatch(host) or _IPV6.fullmatch(host) else ""


class Hosts:
    """The names that are allowed.

    :param patterns: Names, and ``.example.org`` for all below ``example.org``, but not that
        itself; in lower case.
    """

    def __init__(self, patterns: t.Iterable[str]) -> None:
        self._names = frozenset(p for p in patterns if not p.startswith("."))
        self._ends = tuple(p for p in patterns if p.startswith("."))

    def allows(self, host: str) -> bool:
        """Whether a request for this host is answered.

        :param host: The ``Host`` field as it's believed.
        """
        name = name_of(host)
        return name in self._names or bool(name and self._ends and name.endswith(self._ends))
