"""The tag in a page, for requests as several servers have them; tests/live/test_pages.py is more."""

from __future__ import annotations

import socket
import typing as t

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.config.platform import Platform
from fluxsync.gateway.page import Pages
from fluxsync.gateway.request import RequestReader
from fluxsync.gateway.script import load
from fluxsync.sansio.bodies import LengthBody
from fluxsync.sansio.http1 import parse_head
from fluxsync.upstream.adapter import GatewayRequest, GatewayResponse
from fluxsync.upstream.body import UpstreamBody
from fluxsync.upstream.connections import Connection, Pool

PAGE = b"<html><head><title>a</title></head></html>"
HEAD = parse_head(b"HTTP/1.1 200 OK\r\nContent-Type: text/html")


def page(settings: dict[str, t.Any], **environ: str) -> str:
    """Return the page that a request gets."""
    chosen = FluxSyncSettings(**settings)
    base = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "example.org"}
    request = RequestReader(chosen, Platform()).read({**base, **environ})
    pages = Pages(chosen)
    assert pages.may_answer(request)
    ours, theirs = socket.socketpair()
    pool = Pool("127.0.0.1", 1, connect_timeout=1.0, read_timeout=1.0, maxsize=1)
    with ours, theirs:
        connection = Connection(ours, 1.0)
        body = UpstreamBody(HEAD, LengthBody(len(PAGE)), PAGE, connection, pool, keep=False)
        pages.edit(request, GatewayResponse(GatewayRequest("GET", "/", []), body), HEAD.fields)
        return b"".join(body).replace(load().text, b"SCRIPT").decode()


def before(tag: str) -> str:
    return PAGE.decode().replace("<head>", f"<head>{tag}</script>")


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        pytest.param({"RAW_URI": "/caf\xe9"}, "/caf%E9", id="bytes that aren't ASCII"),
        pytest.param({"RAW_URI": '/a b\x7f"\n'}, "/a%20b%7F&quot;%0A", id="control characters"),
        pytest.param({"REQUEST_URI": '/"?a'}, "/&quot;", id="quote"),
        pytest.param({"PATH_INFO": '/\xc3\xa9"<'}, "/%C3%A9%22%3C", id="decoded path"),
        pytest.param({"PATH_INFO": ""}, "/", id="no path"),
        pytest.param({"PATH_INFO": "/b", "SCRIPT_NAME": "/app"}, "/b", id="server's mount"),
    ],
)
def test_path(environ: dict[str, str], path: str) -> None:
    tag = f'<script data-path="{path}" data-transport="auto">SCRIPT'

    assert page({}, **environ) == before(tag)


@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("/", "__fluxsync/shim.js"),
        ("/page", "__fluxsync/shim.js"),
        ("/a/b%2Fc", "../__fluxsync/shim.js"),
        ("//", "../__fluxsync/shim.js"),
        ("/a//", "../../__fluxsync/shim.js"),
    ],
)
def test_file_is_found_from_there(path: str, reference: str) -> None:
    source = f'src="{reference}?v={load().version}"'
    tag = f'<script {source} data-path="{path}" data-transport="stream">'
    settings = {"gateway_page_script": "file", "gateway_transport": "stream"}

    assert page(settings, RAW_URI=path) == before(tag)


def test_nonce_of_a_trusted_proxy() -> None:
    settings = {"gateway_csp_nonce_header": "X-Nonce", "forwarded_allow_ips": "192.0.2.0/24"}
    tag = '<script data-path="/" data-transport="auto" nonce="abc=">SCRIPT'

    assert page(settings, RAW_URI="/", HTTP_X_NONCE="abc=") == before(tag)


@pytest.mark.parametrize(
    ("settings", "method", "path"),
    [
        ({}, "POST", "/"),
        ({}, "GET", "/component/a/index.html"),
        ({}, "GET", "/%73tatic/a"),
        ({"gateway_page_script": "off"}, "GET", "/"),
    ],
)
def test_requests_that_no_page_answers(settings: dict[str, t.Any], method: str, path: str) -> None:
    chosen = FluxSyncSettings(**settings)
    environ = {"REQUEST_METHOD": method, "RAW_URI": path}

    assert not Pages(chosen).may_answer(RequestReader(chosen, Platform()).read(environ))
