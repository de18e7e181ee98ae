"""The address that people open. No I/O."""

from __future__ import annotations

import base64
import typing as t
from urllib.parse import quote, unquote, urljoin, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: What a path may have unencoded (RFC 3986 3.3), and the percent sign of what is encoded.
_PATH_SAFE = "/:@!$&'()*+,;=~-._%"
_QUERY_SAFE = _PATH_SAFE + "?"
_EXPECTED = "an address like https://host/path"


class Address(t.NamedTuple):
    """An address, in parts."""

    scheme: str
    host: str
    port: int
    #: Path and query; begins with a slash.
    target: str
    #: Value of ``Authorization``, if the address had a name and a password.
    authorization: str = ""

    @property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]

    @property
    def authority(self) -> str:
        """Host, and the port if it isn't the usual one: the ``Host`` field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """What browsers send as ``Origin`` from pages of this site."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        """Return the address without what may be secret: name, password and query."""
        return self.origin + self.path

    def under(self, path: str) -> Address:
        """Return an address below this one.

        :param path: Without a slash at its beginning; a page may have named it.
        """
        return self._replace(target=f"{self.path.rstrip('/')}/{quote(path, safe=_QUERY_SAFE)}")

    def join(self, reference: str) -> Address | None:
        """Return where a link leads, or ``None`` if that's no address of a site.

        Name and password stay with their own site, which may send browsers from http to https.
        """
        try:
            there = parse(urljoin(self.origin + self.target, reference))
        except ValueError:
            return None
        secured = (self.scheme, there.scheme) == ("http", "https") and there.host == self.host
        same = there.origin == self.origin or secured
        return there._replace(authorization=self.authorization) if same else there


def parse(text: str) -> Address:
    """Return an address.

    :raise ValueError: It isn't one; the message doesn't repeat it, since it may have a password.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError(_EXPECTED) from None
    host = _ascii_host(parts.hostname or "")
    if not host or parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(_EXPECTED)
    user = parts.username
    authorization = ""
    if user is not None:
        pair = f"{unquote(user)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    target = quote(parts.path, safe=_PATH_SAFE) or "/"
    if parts.query:
        target += f"?{quote(parts.query, safe=_QUERY_SAFE)}"
    return Address(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target, authorization)


def _ascii_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
