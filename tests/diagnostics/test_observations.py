from __future__ import annotations

import gzip

import pytest

from fluxsync.diagnostics.address import parse
from fluxsync.diagnostics.observations import LIMIT, Answer, Socket, Trouble, Tunnelled

HERE = parse("https://host/")
HTML = ("Content-Type", "text/html; charset=utf-8")
PAGE = b"""<!doctype html><html><head><script data-path="/a&amp;b" data-transport="auto"
 data-root="/tools">x</script><script type="module" src="./static/js/index.abc.js"></script>"""
LOGIN = b"<form><input name='p' type='password'></form>"


def test_page() -> None:
    answer = Answer(HERE, 200, [HTML], PAGE)

    assert answer.is_streamlits_page
    assert answer.seen_path == "/a&b"
    assert answer.root_path == "/tools"
    assert answer.script_file == "./static/js/index.abc.js"
    assert not answer.is_login
    assert not answer.is_gateways


def test_compressed_page() -> None:
    fields = [HTML, ("Content-Encoding", "gzip")]

    assert Answer(HERE, 200, fields, gzip.compress(PAGE)).seen_path == "/a&b"
    assert Answer(HERE, 200, fields, PAGE).content == b""
    bomb = gzip.compress(bytes(10 * LIMIT))
    assert len(Answer(HERE, 200, fields, bomb).content) == LIMIT


def test_other_kinds() -> None:
    json = [("Content-Type", "application/json")]

    assert Answer(HERE, 200, json, PAGE).seen_path is None
    assert not Answer(HERE, 404, [HTML], PAGE).is_page
    assert Answer(HERE, 200, [HTML], LOGIN).is_login
    assert Answer(HERE, 401).is_login


def test_gateways() -> None:
    """Its id of the request is on it, or its mark."""
    assert Answer(HERE, 404, [("X-Request-ID", "a")]).is_gateways
    assert Answer(HERE, 200, [("x-fluxsync-tunnel", "1")]).is_gateways
    assert not Answer(HERE, 200, [("X-Request-ID", "a")], trouble=Trouble.BROKEN).is_gateways


def test_cookies() -> None:
    fields = [("Set-Cookie", "a=b; Path=/; Secure"), ("set-cookie", "c=d"), ("Set-Cookie", "x")]

    assert Answer(HERE, 200, fields).cookies == [("a=b", "Path=/; Secure"), ("c=d", "")]


OPEN = Answer(HERE, 200, [("X-Fluxsync-Tunnel", "1")])


@pytest.mark.parametrize(
    ("tunnel", "expected"),
    [
        (Tunnelled(Answer(HERE, 200)), ""),
        (Tunnelled(Answer(HERE, 403)), ""),
        (Tunnelled(OPEN, streams=True, other=OPEN), "stream"),
        (Tunnelled(OPEN, other=OPEN, poll=OPEN), "long-poll"),
        (Tunnelled(OPEN, other=OPEN, poll=Answer(HERE, 504)), "short-poll"),
        (Tunnelled(OPEN, streams=True, other=Answer(HERE), poll=OPEN), "short-poll"),
        (Tunnelled(OPEN, hold=False, other=OPEN), "short-poll"),
    ],
)
def test_transport(tunnel: Tunnelled, expected: str) -> None:
    assert tunnel.transport == expected


def test_socket() -> None:
    switched = Answer(HERE, 101)

    assert Socket(switched, greeted=True, ponged=True).works
    assert not Socket(switched, greeted=True).works
    assert not Socket(switched, "odd", greeted=True, ponged=True).works
    assert not Socket(Answer(HERE, 200), greeted=True, ponged=True).works
