from __future__ import annotations

import contextlib
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import http1
from fluxsync.sansio.exchanges import (
    Ask,
    Opening,
    Reply,
    is_id,
    parameters,
    parse_ask,
    parse_key,
    parse_opening,
    problem,
)

MAX_WAIT = 20.0
ASK = "sent=1&received=22&wait=20&limit=262144&mode=stream"
OPENING = {
    "protocols": ["streamlit", "PLACEHOLDER_AUTH_TOKEN"],
    "transport": "stream",
    "reason": "websocket-refused",
}
KEY = "0123456789abcdef"

# The queries


def test_parameters() -> None:
    assert parameters("") == {}
    assert parameters("a=1&b=&c&d=x=y") == {"a": "1", "b": "", "c": "", "d": "x=y"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(ASK, Ask(1, 22, 20.0, 262144, "stream"), id="stream"),
        pytest.param(
            "mode=short-poll&limit=0&wait=0&received=0&sent=999999999999999",
            Ask(999999999999999, 0, 0.0, 0, "short-poll"),
            id="in any order",
        ),
        pytest.param(
            "sent=0&received=0&wait=999999&limit=1&mode=long-poll",
            Ask(0, 0, MAX_WAIT, 1, "long-poll"),
            id="waits no longer than it may",
        ),
        pytest.param(ASK.replace("=1&", "=0001&"), Ask(1, 22, 20.0, 262144, "stream"), id="zeros"),
    ],
)
def test_parse_ask(query: str, expected: Ask) -> None:
    assert parse_ask(query, MAX_WAIT) == expected


@given(*[st.integers(0, 10**15 - 1)] * 4, st.sampled_from(["stream", "long-poll", "short-poll"]))
def test_what_the_script_asks_is_understood(
    sent: int, received: int, wait: int, limit: int, mode: str
) -> None:
    query = f"sent={sent}&received={received}&wait={wait}&limit={limit}&mode={mode}"

    assert parse_ask(query, 1e15) == Ask(sent, received, float(wait), limit, mode)


NUMBERS = [
    pytest.param("", id="empty"),
    pytest.param("-1", id="negative"),
    pytest.param("+1", id="sign"),
    pytest.param("1.5", id="fraction"),
    pytest.param("1e3", id="exponent"),
    pytest.param("0x1", id="hexadecimal"),
    pytest.param("1_0", id="underscore"),
    pytest.param("%31", id="encoded"),
    pytest.param("1+", id="space"),
    pytest.param("1\n", id="line feed"),
    pytest.param("NaN", id="NaN"),
    pytest.param("1" * 16, id="more than a JavaScript number holds"),
    pytest.param("1" * 5000, id="more than Python likes"),
    pytest.param("\u0661", id="Arabic digit"),
    pytest.param("\xb2", id="superscript"),
]


@pytest.mark.parametrize("name", ["sent", "received", "wait", "limit"])
@pytest.mark.parametrize("number", NUMBERS)
def test_number_is_malformed(name: str, number: str) -> None:
    wanted = {"sent": "1", "received": "1", "wait": "1", "limit": "1", "mode": "stream"}
    query = "&".join(f"{key}={value}" for key, value in {**wanted, name: number}.items())

    with pytest.raises(ValueError, match=r"is a number$|malformed$"):
        parse_ask(query, MAX_WAIT)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("", "mode is one of", id="nothing"),
        pytest.param(ASK.replace("sent=1&", ""), "sent is a number", id="one is missing"),
        pytest.param(f"{ASK}&sent=1", "malformed", id="twice"),
        pytest.param(f"{ASK}&more=1", "unknown parameters: more", id="unknown"),
        pytest.param(f"{ASK}&", "malformed", id="empty one"),
        pytest.param(f"{ASK}&Sent=1", "malformed", id="capital"),
        pytest.param(f"{ASK}&s%65nt=1", "malformed", id="encoded name"),
        pytest.param(f"{ASK}&{'x' * 17}=1", "malformed", id="long name"),
        pytest.param(f"{ASK}&x=\xe9", "malformed", id="not ASCII"),
        pytest.param(ASK.replace("stream", "websocket"), "mode is one of", id="not a tunnel"),
        pytest.param(ASK.replace("stream", "STREAM"), "mode is one of", id="mode in capitals"),
        pytest.param(ASK.replace("&", ";"), "mode is one of", id="semicolons"),
    ],
)
def test_ask_is_malformed(query: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_ask(query, MAX_WAIT)


@given(st.text() | st.from_regex(r"((sent|key|mode|ack)=[0-9a-z.%-]*&?)*", fullmatch=True))
def test_any_query_is_understood_or_refused(query: str) -> None:
    with contextlib.suppress(ValueError):
        ask = parse_ask(query, MAX_WAIT)
        assert min(ask[:4]) >= 0
    with contextlib.suppress(ValueError):
        assert is_id(parse_key(query)[0])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(f"key={KEY}", (KEY, False), id="first"),
        pytest.param(f"key={KEY}&ack=1", (KEY, True), id="second"),
        pytest.param(f"ack=0&key={KEY * 4}", (KEY * 4, False), id="longest"),
    ],
)
def test_parse_key(query: str, expected: tuple[str, bool]) -> None:
    assert parse_key(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"key={KEY[1:]}", id="short"),
        pytest.param(f"key={KEY * 4}0", id="long"),
        pytest.param(f"key={KEY[1:]}.", id="character"),
        pytest.param(f"key={KEY}\n", id="line feed"),
        pytest.param(f"key={KEY}&key={KEY}", id="twice"),
        pytest.param(f"key={KEY}&ack=2", id="acknowledgement"),
        pytest.param(f"key={KEY}&ack", id="empty acknowledgement"),
        pytest.param(f"key={KEY}&sent=1", id="unknown"),
    ],
)
def test_key_is_malformed(query: str) -> None:
    with pytest.raises(ValueError, match=r"malformed$|^key is 16 to 64"):
        parse_key(query)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aB3_-" * 4, True),
        ("new", False),
        ("", False),
        ("x" * 65, False),
        ("x" * 20 + "\n", False),
        ("x" * 20 + "\r\nSet-Cookie: a=b", False),
        ("\u0661" * 20, False),
    ],
)
def test_is_id(text: str, expected: bool) -> None:
    assert is_id(text) is expected


# The opening


def opening(**changes: t.Any) -> bytes:
    return json.dumps({**OPENING, **changes}).encode()


TOKEN = "eyJ0.eyJzdWIiOiJ-x_y.c2ln+/=="


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {},
            Opening(("streamlit", "PLACEHOLDER_AUTH_TOKEN"), "stream", "websocket-refused"),
            id="usual",
        ),
        pytest.param({"protocols": []}, Opening((), "stream", "websocket-refused"), id="none"),
        pytest.param(
            {"protocols": ["streamlit", TOKEN], "transport": "long-poll", "reason": ""},
            Opening(("streamlit", TOKEN), "long-poll", ""),
            id="token, pinned transport",
        ),
        pytest.param(
            {"transport": "short-poll", "reason": "websocket-silent+buffered+serial"},
            Opening(
                ("streamlit", "PLACEHOLDER_AUTH_TOKEN"),
                "short-poll",
                "websocket-silent+buffered+serial",
            ),
            id="several reasons",
        ),
        pytest.param(
            {"more": 1},
            Opening(("streamlit", "PLACEHOLDER_AUTH_TOKEN"), "stream", "websocket-refused"),
            id="of another version",
        ),
    ],
)
def test_parse_opening(changes: dict[str, t.Any], expected: Opening) -> None:
    assert parse_opening(opening(**changes)) == expected


PROTOCOLS = "^protocols is a list"
TRANSPORT = "^transport is one of"
REASON = "^reason is words"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "isn't JSON$", id="empty"),
        pytest.param(b"{", "isn't JSON$", id="cut"),
        pytest.param(b"\xff\xfe\xfd", "isn't JSON$", id="no text"),
        pytest.param(b"[" * 100_000, "isn't JSON$", id="deep"),
        pytest.param(b"9" * 10_000, "isn't JSON$", id="huge number"),
        pytest.param(b"[]", "isn't a JSON object$", id="list"),
        pytest.param(b"null", "isn't a JSON object$", id="null"),
        pytest.param(b"{}", PROTOCOLS, id="nothing"),
        pytest.param(opening(protocols=None), PROTOCOLS, id="no protocols"),
        pytest.param(opening(protocols="streamlit"), PROTOCOLS, id="text for a list"),
        pytest.param(opening(protocols={"streamlit": 1}), PROTOCOLS, id="object for a list"),
        pytest.param(opening(protocols=["a", 1]), PROTOCOLS, id="number in a list"),
        pytest.param(opening(protocols=["a", ["b"]]), PROTOCOLS, id="list in a list"),
        pytest.param(opening(protocols=["a", "a"]), PROTOCOLS, id="twice"),
        pytest.param(opening(protocols=list("abcdefghi")), PROTOCOLS, id="too many"),
        pytest.param(opening(protocols=["x" * 4097]), PROTOCOLS, id="too long"),
        pytest.param(opening(protocols=[""]), PROTOCOLS, id="empty protocol"),
        pytest.param(opening(protocols=["a, b"]), PROTOCOLS, id="two in one"),
        pytest.param(opening(protocols=["a\r\nX-User: b"]), PROTOCOLS, id="a field more"),
        pytest.param(opening(protocols=["a\n"]), PROTOCOLS, id="line feed"),
        pytest.param(opening(protocols=["a\0"]), PROTOCOLS, id="zero"),
        pytest.param(opening(protocols=["\xe9"]), PROTOCOLS, id="not ASCII"),
        pytest.param(opening(protocols=["\ud800"]), PROTOCOLS, id="half a character"),
        pytest.param(opening(transport=None), TRANSPORT, id="no transport"),
        pytest.param(opening(transport=["stream"]), TRANSPORT, id="list of transports"),
        pytest.param(opening(transport="websocket"), TRANSPORT, id="not a tunnel"),
        pytest.param(opening(reason=None), REASON, id="no reason"),
        pytest.param(opening(reason="Websocket"), REASON, id="capital"),
        pytest.param(opening(reason="a b"), REASON, id="space"),
        pytest.param(opening(reason="a\r\nX-User: b"), REASON, id="a field in the reason"),
        pytest.param(opening(reason="a\n"), REASON, id="line feed in the reason"),
        pytest.param(opening(reason="a-"), REASON, id="word is missing"),
        pytest.param(opening(reason="\xe9"), REASON, id="reason not in ASCII"),
        pytest.param(opening(reason="x" * 65), REASON, id="long reason"),
        pytest.param(opening(reason="+".join("abcdefghi")), REASON, id="many reasons"),
    ],
)
def test_opening_is_malformed(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_opening(body)

    assert type(caught.value) is ValueError


WORDS = st.text("aZ09-+=:,/ \t\r\n\0\xe9\u0130", max_size=4)


@given(st.lists(WORDS, max_size=3), st.sampled_from(["stream", "stream\n"]), WORDS)
def test_what_is_understood_is_harmless(protocols: list[str], transport: str, reason: str) -> None:
    """Its parts become values of header fields."""
    body = json.dumps({"protocols": protocols, "transport": transport, "reason": reason})
    try:
        found = parse_opening(body.encode())
    except ValueError:
        return
    line = ", ".join((*found.protocols, found.transport, found.reason))
    assert line.isascii()
    assert line.isprintable()


# The answers


def test_reply() -> None:
    raw = Reply(200, b"body").encode("some-id")
    head, _, body = raw.partition(b"\r\n\r\n")
    parsed = http1.parse_head(head)

    assert body == b"body"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert parsed.named == {
        "content-type": "application/octet-stream",
        "content-length": "4",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
        "x-fluxsync-tunnel": "1",
        "x-request-id": "some-id",
        "connection": "close",
    }


@pytest.mark.parametrize(
    ("framing", "found"), [("Transfer-Encoding: chunked", 1), ("", 0)], ids=["chunked", "none"]
)
def test_framing_of_a_stream(framing: str, found: int) -> None:
    head = Reply(200, b"").head("some-id", framing)

    assert head.lower().count(b"\r\ntransfer-encoding: chunked\r\n") == found
    assert b"content-length" not in head.lower()
    assert head.count(b"\r\n\r\n") == 1
    assert head.endswith(b"\r\n\r\n")


def test_problem() -> None:
    reply = problem(409, "3 bytes are missing")

    assert (reply.status, reply.content_type) == (409, "application/problem+json")
    assert json.loads(reply.body) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "3 bytes are missing",
    }
