from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.exceptions import UpstreamProtocolError
from fluxsync.sansio import handshake
from fluxsync.sansio.handshake import Answer

# The example of RFC 6455 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

REQUEST = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Protocol": "streamlit, token",
}
ANSWER = {
    "Upgrade": "WebSocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
    "Sec-WebSocket-Protocol": "streamlit",
}


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        pytest.param("websocket", True, id="alone"),
        pytest.param("h2c, WebSocket", True, id="in a list, in capitals"),
        pytest.param("websockets", False, id="another word"),
        pytest.param("", False, id="none"),
    ],
)
def test_is_upgrade(upgrade: str, expected: bool) -> None:
    assert handshake.is_upgrade([("Upgrade", upgrade)]) is expected


def test_good_request() -> None:
    assert handshake.check_request("GET", "HTTP/1.1", list(REQUEST.items())) is None


@pytest.mark.parametrize(
    ("method", "protocol", "changes", "status"),
    [
        pytest.param("POST", "HTTP/1.1", {}, 405, id="method"),
        pytest.param("GET", "HTTP/1.0", {}, 400, id="protocol"),
        pytest.param("GET", "HTTP/1.1", {"Connection": "close"}, 400, id="Connection"),
        pytest.param("GET", "HTTP/1.1", {"Sec-WebSocket-Version": "8"}, 426, id="version"),
        pytest.param("GET", "HTTP/1.1", {"Sec-WebSocket-Version": ""}, 426, id="no version"),
        pytest.param("GET", "HTTP/1.1", {"Content-Length": "1"}, 400, id="body"),
        pytest.param("GET", "HTTP/1.1", {"Content-Length": "0, 1"}, 400, id="two lengths"),
        pytest.param("GET", "HTTP/1.1", {"Transfer-Encoding": "chunked"}, 400, id="chunked body"),
        pytest.param("GET", "HTTP/1.1", {"Sec-WebSocket-Key": ""}, 400, id="no key"),
        pytest.param("GET", "HTTP/1.1", {"Sec-WebSocket-Key": "é"}, 400, id="key in no base64"),
        pytest.param("GET", "HTTP/1.1", {"Sec-WebSocket-Key": "AAAA"}, 400, id="short key"),
        pytest.param("GET", "HTTP/1.1", {"Sec-WebSocket-Key": f"{KEY}\n"}, 400, id="key and more"),
        pytest.param("GET", "HTTP/1.1", {"X-A": "b\nX-Remote-User: c"}, 400, id="line break"),
    ],
)
def test_bad_request(method: str, protocol: str, changes: dict[str, str], status: int) -> None:
    headers = list({**REQUEST, **changes}.items())

    refusal = handshake.check_request(method, protocol, headers)

    assert refusal is not None
    assert refusal.status == status


def test_empty_body_is_none() -> None:
    headers = [*REQUEST.items(), ("Content-Length", "0")]

    assert handshake.check_request("GET", "HTTP/1.1", headers) is None


def test_refusals_say_what_would_be_right() -> None:
    method = handshake.check_request("POST", "HTTP/1.1", [])
    version = handshake.check_request("GET", "HTTP/1.1", [("Connection", "upgrade")])

    assert method is not None
    assert method.headers == [("Allow", "GET")]
    assert version is not None
    assert version.headers == [("Sec-WebSocket-Version", "13")]


def test_upstream_request() -> None:
    headers = [("HOST", "evil.example"), ("Origin", "http://h"), ("X-Name", "é")]

    assert handshake.upstream_request("/_stcore/stream?a", "h", headers) == (
        b"GET /_stcore/stream?a HTTP/1.1\r\n"
        b"Host: h\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Origin: http://h\r\n"
        b"X-Name: ?\r\n"
        b"\r\n"
    )


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        pytest.param(b"HTTP/1.1 101", Answer(101, "", []), id="no reason"),
        pytest.param(
            b"HTTP/1.0 403 Not here\r\nA:b\r\na: c : d \r\nX-B: \xe9\r\nX-C:",
            Answer(403, "Not here", [("A", "b"), ("a", "c : d"), ("X-B", "\xe9"), ("X-C", "")]),
            id="fields",
        ),
    ],
)
def test_parse_answer(head: bytes, answer: Answer) -> None:
    assert handshake.parse_answer(head) == answer


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2", id="another protocol"),
        pytest.param(b"HTTP/2 200 OK", id="another version"),
        pytest.param(b"HTTP/1.1 20 OK", id="two digits"),
        pytest.param(b"HTTP/1.1 \xb2\xb2\xb2 OK", id="digits that are none"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon", id="no colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\n: a", id="no name"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA : b", id="space before the colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\n folded:", id="folded line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\nC: d", id="line break in a field"),
        pytest.param(b"HTTP/1.1 200 OK\nA: b", id="line break in the reason"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA\xe9: b", id="name over 0x7f"),
    ],
)
def test_answer_that_is_none(head: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        handshake.parse_answer(head)


@given(
    st.binary()
    | st.lists(
        st.sampled_from([b"HTTP/1.1 ", b"200", b"\xb2", b" ", b"\r\n", b"A", b":", b"\n"])
    ).map(b"".join)
)
def test_any_head_is_an_answer_or_refused(head: bytes) -> None:
    """Line breaks never get into a field, from where they'd reach the client."""
    try:
        answer = handshake.parse_answer(head)
    except UpstreamProtocolError:
        return
    assert 0 <= answer.status <= 999
    parts = [answer.reason, *(part for field in answer.headers for part in field)]
    assert not any("\r" in part or "\n" in part for part in parts)


def test_accept_key() -> None:
    assert handshake.accept_key(f" {KEY} ") == ACCEPT


def test_good_answer() -> None:
    handshake.check_answer(Answer(101, "", list(ANSWER.items())), list(REQUEST.items()))


def test_no_subprotocol_is_an_answer() -> None:
    headers = [field for field in ANSWER.items() if field[0] != "Sec-WebSocket-Protocol"]

    handshake.check_answer(Answer(101, "", headers), list(REQUEST.items()))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"Sec-WebSocket-Accept": KEY}, "does not answer the key", id="key"),
        pytest.param({"Sec-WebSocket-Accept": ""}, "does not answer the key", id="no key"),
        pytest.param({"Upgrade": "h2c"}, "without 'Upgrade: websocket'", id="upgrade"),
        pytest.param({"Sec-WebSocket-Protocol": "stream"}, "was not offered", id="subprotocol"),
    ],
)
def test_answer_to_another_question(changes: dict[str, str], complaint: str) -> None:
    answer = Answer(101, "", list({**ANSWER, **changes}.items()))

    with pytest.raises(UpstreamProtocolError, match=complaint):
        handshake.check_answer(answer, list(REQUEST.items()))


def test_client_answer() -> None:
    headers = [
        *ANSWER.items(),
        ("Content-Length", "0"),
        ("content-type", "text/plain"),
        ("Server", "uvicorn"),
        ("Set-Cookie", "a=\xe9"),
    ]

    assert handshake.client_answer(Answer(101, "x", headers), [("X-Request-Id", "1")]) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: streamlit\r\n"
        b"Set-Cookie: a=\xe9\r\n"
        b"X-Request-Id: 1\r\n"
        b"\r\n"
    )
