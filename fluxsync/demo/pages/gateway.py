"""What the gateway did to the request behind this page, and to a call of the API."""

from __future__ import annotations

import typing as t

from .calls import read
from .tables import table

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from fluxsync import ApiClient

INTRODUCTION = """
The gateway stands between your browser and Streamlit. This is what it told Streamlit about the
connection that brings you this page; further down are all the headers that arrived.
"""

TRANSPORTS = {
    "websocket": "Messages come and go in a WebSocket",
    "stream": "Messages come in one response that never ends, and go in requests",
    "long-poll": "Messages come in answers to requests that wait for them, and go in requests",
    "short-poll": "Messages come and go in many requests, each answered at once",
}

# Why it is not a better one: what the page found out, first about WebSockets.
REASONS = {
    "websocket-refused": "A WebSocket was refused",
    "websocket-timeout": "A WebSocket did not open in time",
    "websocket-silent": "A WebSocket opened, but nothing came through it",
    "buffered": "Responses arrive only when they have ended",
    "serial": "Requests have to wait for each other",
    "cut": "Responses that wait are cut",
    "no-hold": "This server cannot keep a response waiting",
    "pinned": "A setting says so",
}

# Pages end in screenshots. Streamlit sends its XSRF token and session id as subprotocols.
SECRET_HEADERS = frozenset({"authorization", "cookie", "sec-websocket-protocol"})


def gateway(st: ModuleType, client: ApiClient) -> None:
    """Show the headers of the page's connection, and a call of the API for comparison."""
    st.title("What the gateway did")
    st.markdown(INTRODUCTION)
    headers = st.context.headers
    st.markdown(table(("This page", "", ""), findings(headers)))

    st.subheader("A call of the API")
    st.markdown(
        "While it ran, this page asked the API for `/request`, over HTTP and through the same"
        " gateway. [Ask it from your browser](api/request) to compare."
    )
    received = read(st, client, "/request")
    st.markdown(
        table(
            ("This call", ""),
            [
                ("Request id", received["request_id"] or ""),
                ("Mounted at", received["root_path"]),
                ("Path below that", received["path"]),
                ("Client address", received["client_address"] or ""),
            ],
        )
    )

    st.subheader("All headers of the connection")
    st.caption("Cookies and other credentials arrived as well, but nobody else should read them.")
    st.markdown(table(("Header", "Value"), presentable(headers)))


def findings(headers: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield what the gateway says about a connection, as name, value and use."""
    yield (
        "Request id",
        headers.get("X-Request-Id", ""),
        "Finds this connection in the logs",
    )
    transport = headers.get("X-Fluxsync-Transport", "")
    yield (
        "Transport",
        transport,
        TRANSPORTS.get(transport, "How messages travel to your browser and back"),
    )
    if fallback := headers.get("X-Fluxsync-Fallback"):
        yield ("Why this one", fallback, reasons(fallback))
    yield (
        "Replica",
        headers.get("X-Fluxsync-Replica", ""),
        "The Streamlit process that holds this session",
    )
    yield (
        "Client address",
        headers.get("X-Forwarded-For", ""),
        "Whoever connected; what proxies say counts only if they are trusted",
    )
    yield ("Public address", public_address(headers), "What the browser shows in its address bar")


def reasons(fallback: str) -> str:
    """Say in words why no better transport is used, as far as there are words."""
    known = [REASONS[name] for name in fallback.split("+") if name in REASONS]
    return ". ".join(known) or "What your browser found out when it tried others"


def public_address(headers: Mapping[str, str]) -> str:
    """Put the address together that the browser used; empty when nobody forwarded anything."""
    host = headers.get("X-Forwarded-Host")
    if host is None:
        return ""
    scheme = headers.get("X-Forwarded-Proto", "http")
    return f"{scheme}://{host}{headers.get('X-Forwarded-Prefix', '')}/"


def presentable(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the headers that may be looked at, by name."""
    return sorted(
        (name, value) for name, value in headers.items() if name.lower() not in SECRET_HEADERS
    )
