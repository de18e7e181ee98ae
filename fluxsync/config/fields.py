"""The kinds of values that settings have, and what they must look like."""

from __future__ import annotations

import ipaddress
import json
import typing as t
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from ..sansio.headers import is_name
from ..sansio.paths import normalize_mount

#: What a list may be.
LIST = "a list of texts: JSON, or separated by commas"

#: Streamlit options that fluxsync sets itself.
_OWN_STREAMLIT_OPTIONS = ("--server.port", "--server.address", "--server.baseUrlPath")


def _split(value: t.Any) -> t.Any:
    """Read a list from one text: as JSON, or separated by commas."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError(LIST) from None
    return [item for part in text.split(",") if (item := part.strip())]


def _object(value: t.Any) -> t.Any:
    return json.loads(value) if isinstance(value, str) else value


def _mount(value: str) -> str:
    try:
        return normalize_mount(value)
    except ValueError:
        raise ValueError("a path such as /app") from None


def _api_mount(value: str) -> str:
    mount = _mount(value)
    if not mount:
        raise ValueError("a path other than '/', which is Streamlit's")
    return mount


def _target(value: str) -> str:
    if value and not all(value.rpartition(":")[::2]):
        raise ValueError("module:attribute or path.py:attribute")
    return value


def _upstreams(value: tuple[str, ...]) -> tuple[str, ...]:
    for url in value:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme != "http" or not parts.hostname or not port or parts.path.strip("/"):
            raise ValueError("http://host:port, several separated by commas")
    return tuple(url.rstrip("/") for url in value)


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        normalize_mount(parts.path)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_url = False
    if value and (not is_url or parts.query or parts.fragment):
        raise ValueError("an absolute URL such as https://example.org/app")
    return value.rstrip("/")


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("origins such as https://example.org, separated by commas")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    if "*" in value:
        raise ValueError(
            "addresses or networks of your proxies: '*' would let every client forge "
            "its address and identity"
        )
    for network in value:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ValueError("addresses or networks such as 10.0.0.0/8") from None
    return value


def _folded(name: str) -> str:
    # WSGI has one name for both: SM_USER and SM-USER are HTTP_SM_USER.
    return name.lower().replace("_", "-")


def _header(value: str) -> str:
    if not is_name(value):
        raise ValueError("a header's name such as X-CSP-Nonce")
    return _folded(value)


def _headers(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_folded, value))


def _streamlit_options(value: tuple[str, ...]) -> tuple[str, ...]:
    for option in value:
        name = option.partition("=")[0]
        if name in _OWN_STREAMLIT_OPTIONS:
            raise ValueError(f"options without {name}, which fluxsync sets itself")
    return value


Names = t.Annotated[tuple[str, ...], BeforeValidator(_split)]
Object = t.Annotated[dict[str, t.Any], BeforeValidator(_object)]
Seconds = t.Annotated[float, Field(ge=0, allow_inf_nan=False)]

#: Where something is mounted; ``""`` is the root.
Mount = t.Annotated[str, AfterValidator(_mount)]
ApiMount = t.Annotated[str, AfterValidator(_api_mount)]
#: ``module:attribute``
Target = t.Annotated[str, AfterValidator(_target)]
Url = t.Annotated[str, AfterValidator(_url)]
Upstreams = t.Annotated[Names, AfterValidator(_upstreams)]
Origins = t.Annotated[Names, AfterValidator(_origins)]
Networks = t.Annotated[Names, AfterValidator(_networks)]
#: Names of header fields, in lower case and with ``-`` for ``_``.
Header = t.Annotated[str, AfterValidator(_header)]
Headers = t.Annotated[Names, AfterValidator(_headers)]
StreamlitOptions = t.Annotated[Names, AfterValidator(_streamlit_options)]
