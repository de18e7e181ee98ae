"""Pages on their way through the gateway: which ones get the script, and what else they say."""

from __future__ import annotations

import contextlib
import gzip
import typing as t

import pytest

from fluxsync.gateway.script import load
from tests.live.test_slow_clients import SlowReader
from tests.support.gateways import MOUNTS, Gateway
from tests.support.http import Connection, Headers, Response
from tests.support.upstream import FakeStreamlit

pytestmark = pytest.mark.live_server

SCRIPT = load()
BEFORE = b"<!-- A comment -->\n<!DOCTYPE html>\n<html>\n  <head>"
AFTER = b"""
    <script>
      window.prerenderReady = false
    </script>
    <script type="module" src="./static/js/index.abc.js"></script>
  </head>
  <body>\xc3\xa4</body>
</html>
"""
PAGE = BEFORE + AFTER
#: Not Streamlit's, which nobody can use at a path with more than one segment.
OWN_PAGE = PAGE.replace(b"./static/", b"./own/")
HTML = ("Content-Type", "text/html; charset=utf-8")
BROWSER = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
LIMIT = 1024 * 1024
Start = t.Callable[..., Gateway]


@pytest.fixture(scope="module")
def upstream() -> t.Iterator[FakeStreamlit]:
    with FakeStreamlit() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(upstream: FakeStreamlit) -> t.Iterator[Gateway]:
    with Gateway(upstream=upstream) as server:
        yield server


@pytest.fixture
def seen(gateway: Gateway, upstream: FakeStreamlit) -> FakeStreamlit:
    upstream.reset()
    return upstream


@pytest.fixture(scope="module")
def protected(upstream: FakeStreamlit) -> t.Iterator[Gateway]:
    """A gateway that takes a nonce from a proxy on this machine."""
    env = {
        "FLUXSYNC_GATEWAY_CSP_NONCE_HEADER": "X-CSP-Nonce",
        "FLUXSYNC_GATEWAY_PAGE_SCRIPT": "file",
        "FLUXSYNC_GATEWAY_TRANSPORT": "long-poll",
        "FLUXSYNC_TRUST_PROXY": "true",
    }
    with Gateway("gevent", upstream=upstream, env=env, mount=MOUNTS["full"]) as server:
        yield server


def put(upstream: FakeStreamlit, path: str, *fields: tuple[str, str], body: bytes = PAGE) -> None:
    """Have a path answered with this, and with its length."""
    upstream.files[path] = ([*fields, ("Content-Length", str(len(body)))], body)


def expected(path: str, page: bytes = PAGE, root: str = "") -> bytes:
    root = f' data-root="{root}"' if root else ""
    tag = f'<script data-path="{path}"{root} data-transport="auto">'.encode()
    return page.replace(BEFORE, BEFORE + tag + SCRIPT.text + b"</script>")


def is_unchanged(response: Response, body: bytes) -> bool:
    return response.body == body and response.get("Content-Length") == str(len(body))


@pytest.mark.parametrize("path", ["/", "/page", "/page/", "/a/b%2Fc", "/index.html", "//a"])
def test_page(gateway: Gateway, seen: FakeStreamlit, path: str) -> None:
    put(seen, path, HTML, ("Cache-Control", "no-cache"), ("X-Other", "1"), body=OWN_PAGE)
    response = gateway.get(path, [BROWSER])

    assert response.body == expected(path, OWN_PAGE)
    assert response.get("Content-Length") == str(len(response.body))
    assert response.get("Cache-Control") == "no-cache"
    assert response.get("Vary") == "Accept-Encoding"
    assert response.get("X-Other") == "1"


def test_query_is_not_in_the_page(gateway: Gateway, seen: FakeStreamlit) -> None:
    put(seen, "/page", HTML)

    assert gateway.get("/page?token=secret", [BROWSER]).body == expected("/page")


@pytest.mark.parametrize("mount", ["stripped", "full"])
def test_path_is_without_the_root_path(upstream: FakeStreamlit, mount: str) -> None:
    upstream.reset()
    put(upstream, "/page", HTML)
    with Gateway(upstream=upstream, mount=MOUNTS[mount]) as gateway:
        assert gateway.get("/page", [BROWSER]).body == expected("/page", root="/subdir")


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ('/"onload="alert(1)', "/&quot;onload=&quot;alert(1)"),
        ("/'", "/&#x27;"),
        ("/</script><script>", "/&lt;/script&gt;&lt;script&gt;"),
        ("/&quot;", "/&amp;quot;"),
        ("/%0d%0a%22%3E", "/%0d%0a%22%3E"),
    ],
)
def test_path_is_text(gateway: Gateway, seen: FakeStreamlit, raw: str, written: str) -> None:
    """Whatever a link to the page has in its path, it's no markup there."""
    put(seen, raw, HTML, body=OWN_PAGE)

    assert gateway.get(raw, [BROWSER]).body == expected(written, OWN_PAGE)


def test_request_is_for_the_whole_page(gateway: Gateway, seen: FakeStreamlit) -> None:
    """What a browser has of an older page is of no use."""
    put(seen, "/", HTML)
    conditions = [
        ("Range", "bytes=0-10"),
        ("If-None-Match", '"abc"'),
        ("If-Modified-Since", "Thu, 01 Jan 2037 00:00:00 GMT"),
    ]
    response = gateway.get("/", [BROWSER, ("Accept-Encoding", "gzip, br"), *conditions])

    [request] = seen.requests
    assert request.get("Accept-Encoding") == "identity"
    assert [name for name, _ in conditions if name in request.head] == []
    assert gzip.decompress(response.body) == expected("/")


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        pytest.param("/reports/all.csv", "*/*", id="download that goes on"),
        pytest.param("/static/js/a.js", "text/html", id="frontend file"),
        pytest.param("/media/a.mp4", "text/html", id="video"),
    ],
)
def test_other_requests_are_as_they_were(
    gateway: Gateway, seen: FakeStreamlit, path: str, accept: str
) -> None:
    sent = [
        ("Accept", accept),
        ("Accept-Encoding", "gzip, br"),
        ("Range", "bytes=5-"),
        ("If-Range", '"abc"'),
    ]
    gateway.get(path, sent)

    [request] = seen.requests
    assert [(name, request.get(name)) for name, _ in sent] == sent


def test_compressed_for_the_client(gateway: Gateway, seen: FakeStreamlit) -> None:
    put(seen, "/", HTML)
    response = gateway.get("/", [BROWSER, ("Accept-Encoding", "gzip")])

    assert response.get("Content-Encoding") == "gzip"
    assert response.get("Content-Length") == str(len(response.body))
    assert gzip.decompress(response.body) == expected("/")


def test_validators_of_the_original_are_dropped(gateway: Gateway, seen: FakeStreamlit) -> None:
    validators = [
        ("ETag", '"abc"'),
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Accept-Ranges", "bytes"),
        ("Content-MD5", "abc"),
        ("Digest", "abc"),
    ]
    put(seen, "/", HTML, ("Cache-Control", "public, max-age=60"), *validators)
    response = gateway.get("/", [BROWSER])

    assert [name for name, _ in validators if name in response] == []
    assert response.get("Cache-Control") == "no-cache"


@pytest.mark.parametrize("path", ["/component/name/index.html", "/app/static/a.html", "/media/a"])
def test_other_documents_are_not_edited(gateway: Gateway, seen: FakeStreamlit, path: str) -> None:
    put(seen, path, HTML, ("ETag", '"abc"'))
    response = gateway.get(path, [BROWSER])

    assert is_unchanged(response, PAGE)
    assert response.get("ETag") == '"abc"'


UNCHANGED: dict[str, tuple[Headers, bytes]] = {
    "another type": ([("Content-Type", "text/plain")], PAGE),
    "no type": ([], PAGE),
    "no head": ([HTML], b"<p>A fragment with <head></p>"),
    "empty": ([HTML], b""),
    "UTF-16": ([("Content-Type", "text/html; charset=utf-16")], PAGE.decode().encode("utf-16")),
    "download": ([HTML, ("Content-Disposition", 'attachment; filename="a.html"')], PAGE),
    "not to be changed": ([HTML, ("Cache-Control", "no-transform")], PAGE),
    "compressed": ([HTML, ("Content-Encoding", "gzip")], gzip.compress(PAGE)),
    "too long": ([HTML], PAGE.ljust(LIMIT + 1)),
}


@pytest.mark.parametrize("case", UNCHANGED)
def test_what_is_no_page(gateway: Gateway, seen: FakeStreamlit, case: str) -> None:
    fields, body = UNCHANGED[case]
    put(seen, "/page", *fields, ("ETag", '"abc"'), body=body)
    response = gateway.get("/page", [BROWSER, ("Accept-Encoding", "gzip")])

    assert is_unchanged(response, body)
    assert response.get("ETag") == '"abc"'
    for name, value in fields:
        assert response.get(name) == value


@pytest.mark.parametrize("status", [404, 500])
def test_error_pages(gateway: Gateway, seen: FakeStreamlit, status: int) -> None:
    put(seen, "/page", HTML)
    seen.statuses["/page"] = status
    response = gateway.get("/page", [BROWSER])

    assert (response.status, response.body) == (status, PAGE)


def test_longest_page(gateway: Gateway, seen: FakeStreamlit) -> None:
    page = PAGE.ljust(LIMIT)
    put(seen, "/page", HTML, body=page)

    assert gateway.get("/page", [BROWSER]).body == expected("/page", page)


def test_slow_clients_of_long_pages(gateway: Gateway, seen: FakeStreamlit) -> None:
    """They hold no thread, of which there are four."""
    page = PAGE.ljust(LIMIT)
    put(seen, "/page", HTML, body=page)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(SlowReader(gateway.port)) for _ in range(6)]
        for client in clients:
            client.send_request("GET", "/page", [BROWSER])
        assert gateway.get("/healthz").status == 200
        for client in clients:
            assert client.read_response().body == expected("/page", page)


def test_other_methods(gateway: Gateway, seen: FakeStreamlit) -> None:
    put(seen, "/page", HTML)

    assert gateway.post("/page", b"a").body == PAGE


def test_head(gateway: Gateway, seen: FakeStreamlit) -> None:
    """The length that the page has without the script isn't its length."""
    put(seen, "/page", HTML, ("ETag", '"abc"'), ("X-Other", "1"))
    get, head = gateway.get("/page", [BROWSER]), gateway.request("HEAD", "/page", [BROWSER])

    assert (head.status, head.body) == (200, b"")
    assert "Content-Length" not in head
    left_out = ("date", "x-request-id", "content-length", "transfer-encoding", "set-cookie")
    fields = [
        [field for field in response.headers if field[0].lower() not in left_out]
        for response in (get, head)
    ]
    assert fields[0] == fields[1]


def test_head_of_something_else(gateway: Gateway, seen: FakeStreamlit) -> None:
    put(seen, "/page", ("Content-Type", "text/csv"), ("ETag", '"abc"'))
    head = gateway.request("HEAD", "/page", [BROWSER])

    assert (head.get("Content-Length"), head.get("ETag")) == (str(len(PAGE)), '"abc"')


CHUNKED = b"".join(
    b"%x\r\n%s\r\n" % (len(part), part) for part in (BEFORE[:30], BEFORE[30:], AFTER)
)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param([("Transfer-Encoding", "chunked")], CHUNKED + b"0\r\n\r\n", id="chunked"),
        pytest.param([], PAGE, id="until the connection's end"),
    ],
)
def test_page_of_unknown_length(
    gateway: Gateway, seen: FakeStreamlit, fields: Headers, body: bytes
) -> None:
    seen.files["/page"] = ([HTML, *fields], body)

    assert gateway.get("/page", [BROWSER]).body == expected("/page")


def test_page_of_unknown_length_goes_on(gateway: Gateway, seen: FakeStreamlit) -> None:
    """People may be reading it while it comes."""
    with Connection(gateway.port) as connection:
        connection.send_request("GET", "/gated-page/2", [BROWSER, ("Accept-Encoding", "gzip")])
        assert connection.read_until(b"</head>") is not None
        seen.gate.release(2)
        assert connection.read_until(b"data: 1") is not None


def test_page_that_breaks_off(gateway: Gateway, seen: FakeStreamlit) -> None:
    fields = [HTML, ("Content-Length", "10000"), ("Connection", "close")]
    seen.files["/page"] = (fields, PAGE)

    assert gateway.get("/page").status == 502


def test_off(upstream: FakeStreamlit) -> None:
    upstream.reset()
    put(upstream, "/", HTML, ("ETag", '"abc"'))
    with Gateway(upstream=upstream, env={"FLUXSYNC_GATEWAY_PAGE_SCRIPT": "off"}) as gateway:
        response = gateway.get("/", [BROWSER, ("Accept-Encoding", "br"), ("Range", "bytes=1-")])

    assert is_unchanged(response, PAGE)
    assert response.get("ETag") == '"abc"'
    assert upstream.requests[0].get("Accept-Encoding") == "br"
    assert upstream.requests[0].get("Range") == "bytes=1-"


def test_file(protected: Gateway, upstream: FakeStreamlit) -> None:
    """Its address in the page leads to it from wherever the page is."""
    upstream.reset()
    for path, up in (("/", "./"), ("/page", "./"), ("/a/b", "../"), ("/a/b/", "../../")):
        put(upstream, path, HTML, body=OWN_PAGE)
        source = f"{'' if up == './' else up}__fluxsync/shim.js?v={SCRIPT.version}"
        attributes = f'src="{source}" data-path="{path}" data-root="/subdir"'
        tag = f'<script {attributes} data-transport="long-poll"></script>'
        page = OWN_PAGE.replace(BEFORE, BEFORE + tag.encode())
        assert protected.get(path, [BROWSER]).body == page
        response = protected.get(path, [BROWSER, ("Accept-Encoding", "gzip")])
        assert gzip.decompress(response.body) == page

    file = protected.get(f"/__fluxsync/shim.js?v={SCRIPT.version}")
    assert (file.body, file.get("ETag")) == (SCRIPT.text, f'"{SCRIPT.version}"')
    assert "immutable" in file.get("Cache-Control")


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_file_can_only_be_read(gateway: Gateway, method: str) -> None:
    response = gateway.request(method, "/__fluxsync/shim.js")

    assert (response.status, response.get("Allow")) == (405, "GET, HEAD")


def test_nonce(protected: Gateway, upstream: FakeStreamlit) -> None:
    upstream.reset()
    put(upstream, "/", HTML)
    response = protected.get("/", [BROWSER, ("X-CSP-Nonce", "abc+/=")])

    assert response.body.count(b'nonce="abc+/="') == 3
    assert b'data-transport="long-poll" nonce="abc+/="></script>' in response.body
    assert "X-Csp-Nonce" not in upstream.requests[0].head


@pytest.mark.parametrize("value", ["", 'abc"', "a b", "a'><script>", "a,b"])
def test_what_is_no_nonce(protected: Gateway, upstream: FakeStreamlit, value: str) -> None:
    upstream.reset()
    put(upstream, "/", HTML)

    assert b"nonce" not in protected.get("/", [BROWSER, ("X-CSP-Nonce", value)]).body


def test_nonce_of_a_stranger(upstream: FakeStreamlit) -> None:
    """Who chooses the nonce chooses what may run."""
    upstream.reset()
    put(upstream, "/", HTML)
    env = {"FLUXSYNC_GATEWAY_CSP_NONCE_HEADER": "X-CSP-Nonce"}
    with Gateway(upstream=upstream, env=env) as gateway:
        response = gateway.get("/", [BROWSER, ("X-CSP-Nonce", "abc")])

    assert response.body == expected("/")
    assert "X-Csp-Nonce" not in upstream.requests[0].head
