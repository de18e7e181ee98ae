"""The kinds of values that settings have, and what they must look like."""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import re
import typing as t
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from ..sansio.headers import is_name
from ..sansio.login import is_secure
from ..sansio.paths import normalize_mount
from ..sansio.routing import INTERNAL_PREFIX, reserved_segment
from .masking import HidesNamed, HidesPassword, Secret

#: What a list may be.
LIST = "a list of texts: JSON, or separated by commas"

#: Schemes of :data:`StoreUrl` that Redis answers, and not an SQLAlchemy dialect.
REDIS_SCHEMES = ("redis", "rediss", "unix")

#: Arguments of ``st.set_page_config``, and their values if there are few.
PAGE_CONFIG: dict[str, tuple[str, ...]] = {
    "page_title": (),
    "page_icon": (),
    "layout": ("centered", "wide"),
    "initial_sidebar_state": ("auto", "expanded", "collapsed"),
    "menu_items": (),
}

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
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("a JSON object") from None


def _mount(value: str) -> str:
    try:
        return normalize_mount(value)
    except ValueError:
        raise ValueError("a path such as /app") from None


def _api_mount(value: str) -> str:
    mount = _mount(value)
    if not mount:
        raise ValueError("a path other than '/', which is Streamlit's")
    owner = reserved_segment(mount[1:], "/")
    if owner:
        raise ValueError(f"another path, as {owner} answers this one")
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
    if value and "@" in parts.netloc:
        raise ValueError("a URL without user and password, as it's in every link")
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


def _page_config(value: dict[str, t.Any]) -> dict[str, t.Any]:
    for name, choices in PAGE_CONFIG.items():
        if choices and name in value and value[name] not in choices:
            raise ValueError(f"{name} to be one of {', '.join(choices)}")
    if unknown := set(value) - set(PAGE_CONFIG):
        raise ValueError(f"{', '.join(PAGE_CONFIG)} and not {', '.join(sorted(unknown))}")
    return {name: given for name, given in value.items() if given not in (None, "")}


def _parameter(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", value):
        raise ValueError("a name of letters, digits, '_' and '-' for a query parameter")
    # Streamlit refuses to have these changed by a script (1.67).
    if value.lower() in ("embed", "embed_options"):
        raise ValueError("a query parameter other than embed and embed_options, Streamlit's own")
    return value


def _session_secret(value: str) -> str:
    if value and len(value) < 16:
        raise ValueError("at least 16 characters, such as of: openssl rand -hex 32")
    return value


def _signing_secret(value: str) -> str:
    # RFC 7518 3.2: HS256 needs 256 bits.
    if value and len(value.encode()) < 32:
        raise ValueError("at least 32 characters, such as of: openssl rand -hex 32")
    return value


def _operations_token(value: str) -> str:
    if value and (len(value) < 16 or not value.isascii() or not value.isprintable()):
        raise ValueError("at least 16 characters of ASCII, such as of: openssl rand -hex 32")
    return value


def _metrics_path(value: str) -> str:
    path = _mount(value)
    own = path.startswith(f"{INTERNAL_PREFIX}/")
    taken = own and path.split("/")[2] in ("debug", "shim.js", "tunnel")
    if not path or taken or (not own and reserved_segment(path.split("/")[1], "/")):
        raise ValueError("a path such as /metrics that nothing else answers")
    return path


def _secure_url(value: str) -> str:
    if value and not is_secure(value):
        raise ValueError("an https URL such as https://example.org/jwks.json")
    return value


def _session_store(value: str) -> str:
    if value in ("auto", "memory", "sqlite"):
        return value
    scheme, is_url, rest = value.partition("://")
    if not is_url or not scheme or (scheme in (*REDIS_SCHEMES, "sqlite") and not rest.strip("/")):
        raise ValueError(
            "auto, memory, sqlite, sqlite:///path, redis://host or an SQLAlchemy URL such as "
            "postgresql+psycopg://user:password@host/database"
        )
    extra = "redis" if scheme in REDIS_SCHEMES else "sqlalchemy"
    if scheme != "sqlite" and importlib.util.find_spec(extra) is None:
        raise ValueError(f"something else, or: pip install 'fluxsync[{extra}]'")
    return value


Names = t.Annotated[tuple[str, ...], BeforeValidator(_split)]
Object = t.Annotated[dict[str, t.Any], BeforeValidator(_object)]
PageConfig = t.Annotated[Object, AfterValidator(_page_config)]
Seconds = t.Annotated[float, Field(ge=0, allow_inf_nan=False)]

#: Where something is mounted; ``""`` is the root.
Mount = t.Annotated[str, AfterValidator(_mount)]
ApiMount = t.Annotated[str, AfterValidator(_api_mount)]
#: ``module:attribute``
Target = t.Annotated[str, AfterValidator(_target)]
Url = t.Annotated[str, AfterValidator(_url), HidesPassword()]
Upstreams = t.Annotated[Names, AfterValidator(_upstreams), HidesPassword()]
Origins = t.Annotated[Names, AfterValidator(_origins), HidesPassword()]
Networks = t.Annotated[Names, AfterValidator(_networks)]
#: Names of header fields, in lower case and with ``-`` for ``_``.
Header = t.Annotated[str, AfterValidator(_header)]
Headers = t.Annotated[Names, AfterValidator(_headers)]
StreamlitOptions = t.Annotated[Names, AfterValidator(_streamlit_options), HidesNamed()]
#: Name of a query parameter of pages.
Parameter = t.Annotated[str, AfterValidator(_parameter)]
SessionSecret = t.Annotated[str, AfterValidator(_session_secret), Secret()]
#: What tokens are signed with.
SigningSecret = t.Annotated[str, AfterValidator(_signing_secret), Secret()]
#: What operators say to be let in.
OperationsToken = t.Annotated[str, AfterValidator(_operations_token), Secret()]
#: Where the metrics are.
MetricsPath = t.Annotated[str, AfterValidator(_metrics_path)]
#: Where nobody in between can change what is there.
SecureUrl = t.Annotated[str, AfterValidator(_secure_url)]
#: Where URL sessions are kept.
SessionStore = t.Annotated[str, AfterValidator(_session_store), HidesPassword()]
