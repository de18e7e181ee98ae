"""What requests needs of a client: a session that keeps nothing, and fields that can be sent."""

from __future__ import annotations

import http.cookiejar
import re
import typing as t
from collections.abc import Mapping
from urllib.parse import urljoin

import requests

from ..sansio import callpaths
from . import ways

if t.TYPE_CHECKING:
    from requests.adapters import BaseAdapter

    from .ways import Way

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: RFC 6750 2.1 has fewer signs; servers take more, but no space.
_TOKEN = re.compile(r"[\x21-\x7e]+")


class User:
    """Who counts as a user of the connections, as long as it's there."""


class Session(requests.Session):
    """What requests needs of a client. It keeps nothing, and has no connections of its own."""

    def __init__(self, way: Way, user: User, adapter: BaseAdapter | None) -> None:
        super().__init__()
        self.adapters.clear()
        self.trust_env = False
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._way = way
        self._user = user
        self._adapter = adapter

    def get_adapter(self, url: str | bytes) -> BaseAdapter:
        """Return what sends a request."""
        return self._adapter or ways.adapter_to(self._way, self._user)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer redirects to, if that's the API."""
        target = super().get_redirect_target(resp)
        try:
            inside = target and callpaths.is_inside(self._way.base, urljoin(resp.url, target))
        except ValueError:  # it makes no URL
            inside = False
        return target if inside else None


def bearer(token: str) -> t.Callable[[], dict[str, str]]:
    """Return a function that returns the fields for a token.

    :raise ValueError: It can't be sent; it isn't shown.
    """
    # Somebody who isn't logged in has none, and a None is easily passed on.
    if not _TOKEN.fullmatch(token or ""):
        raise ValueError("bearer_token='***': expected ASCII text without spaces and line breaks")
    fields = {"Authorization": f"Bearer {token}"}
    return lambda: fields


def checked(fields: t.Mapping[str, t.Any] | None) -> t.Mapping[str, t.Any]:
    """Return header fields that can be sent.

    :raise ValueError: One can't be; it says which, and not its value, which may be a secret.
    :raise TypeError: They're no mapping.
    """
    if fields is not None and not isinstance(fields, Mapping):
        raise TypeError(f"header fields: expected names and values, not a {type(fields).__name__}")
    for name, value in (fields or {}).items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"header {name!r}: expected a name without spaces and colons")
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        # requests leaves out those that are None.
        if text is not None and not (isinstance(text, str) and _VALUE.fullmatch(text)):
            raise ValueError(
                f"header {name!r}: expected a value of Latin-1 text without line breaks"
            )
    return fields or {}
