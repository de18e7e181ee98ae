from __future__ import annotations

import dataclasses
import socket
import typing as t

import pytest

from fluxsync.bridges import farewells
from fluxsync.bridges.limits import Limits
from fluxsync.bridges.uploads import Upload
from fluxsync.sansio.relayed import Context
from tests.support.http import Response, Stream, parse_head
from tests.support.relays import LONG, SOON, catch_up, is_readable, send_until_it_blocks, tcp_pair
from tests.support.upstream import pattern, reset
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxsync.bridges.loop import Loop
    from tests.support.relays import Rounds

PATIENT = Limits(client_timeout=LONG, upstream_timeout=LONG)
HEAD = b"POST /_stcore/upload_file/a/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
MB = 1 << 20

Outcome = tuple[int, int, str]


@dataclasses.dataclass
class Case:
    """An upload, seen from its ends."""

    browser: Stream
    streamlit: Stream
    #: What was said at the end.
    over: list[Outcome]

    def wait(self) -> Outcome:
        """Wait for the end, and return what was said, once."""
        eventually(lambda: self.over)
        (outcome,) = self.over
        return outcome

    def answer(self) -> Response:
        """Return the client's response, and all that comes until the connection's end."""
        head = self.browser.read_until(b"\r\n\r\n")
        assert head is not None
        message = parse_head(head)
        while self.browser.fill():
            pass
        return Response(message.start_line, message.headers, head, self.browser.buffer)

    def closed(self) -> bytes:
        """Return what Streamlit still gets until the connection's end."""
        while self.streamlit.fill():
            pass
        return self.streamlit.buffer


class Begin(t.Protocol):
    def __call__(
        self, left: int, first: bytes = HEAD, *, limits: Limits = PATIENT, method: str = "POST"
    ) -> Case: ...


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave clients that have their answer all the time in the world to close."""
    monkeypatch.setattr(farewells, "LINGER", LONG)


@pytest.fixture
def begin(loop: Loop) -> Iterator[Begin]:
    """Leave a request to the loop."""
    cases: list[Case] = []

    def begin(
        left: int, first: bytes = HEAD, *, limits: Limits = PATIENT, method: str = "POST"
    ) -> Case:
        browser, client = tcp_pair()
        upstream, streamlit = tcp_pair()
        case = Case(Stream(browser), Stream(streamlit), [])
        cases.append(case)
        context = Context("id-1", method, "/_stcore/upload_file/a/b", "/sub", ("x",))

        def over(status: int, sent: int, error: str) -> None:
            case.over.append((status, sent, error))

        pair = client, upstream
        loop.call(lambda: Upload(loop, limits, context, pair, left, over).start(first))
        return case

    yield begin
    for case in cases:
        case.browser.sock.close()
        case.streamlit.sock.close()


def respond(case: Case, response: bytes) -> None:
    """Have Streamlit take the whole request, and answer."""
    assert case.streamlit.read(len(HEAD) + 4) == HEAD + b"body"
    case.streamlit.sock.sendall(response)


# The request


def test_body_cut_anywhere(begin: Begin, loop: Loop) -> None:
    """Streamlit gets exactly the request's bytes."""
    body = b"0123456789"
    for cut in range(len(body) + 1):
        case = begin(len(body) - cut, HEAD + body[:cut])
        for i in range(cut, len(body)):
            case.browser.sock.sendall(body[i : i + 1])
            catch_up(loop)
        assert case.streamlit.read(len(HEAD + body)) == HEAD + body


def test_large_body(begin: Begin, loop: Loop) -> None:
    case = begin(4 * MB)
    assert case.streamlit.read(len(HEAD)) == HEAD
    for piece in pattern(4 * MB):
        case.browser.sock.sendall(piece)
        assert case.streamlit.read(len(piece)) == piece


def test_nothing_behind_the_body_reaches_streamlit(begin: Begin, loop: Loop) -> None:
    """A second request would get there past the gateway."""
    case = begin(4)
    smuggled = b"GET /_stcore/metrics HTTP/1.1\r\n\r\n"
    case.browser.sock.sendall(b"body" + smuggled)
    respond(case, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    case.browser.sock.sendall(smuggled)
    catch_up(loop)
    assert not is_readable(case.streamlit.sock)
    case.streamlit.sock.sendall(b"ok")

    assert case.answer().body == b"ok"
    assert case.closed() == b""


def test_slow_streamlit(begin: Begin, loop: Loop, rounds: Rounds) -> None:
    """The client has to wait, and what waits here has a limit."""
    case = begin(32 * MB)
    sent = send_until_it_blocks(case.browser.sock, 16 * MB, loop)
    catch_up(loop)
    (task,) = loop.tasks
    assert isinstance(task, Upload)
    assert 0 < len(task._out) <= 2 * len(loop.buffer)
    rounds.check_idle(loop)

    assert case.streamlit.read(len(HEAD) + sent) == HEAD + bytes(sent)
    rounds.check_idle(loop)


def test_client_that_has_said_all(begin: Begin, loop: Loop, rounds: Rounds) -> None:
    """Whatever it does then, Streamlit's answer is waited for."""
    case = begin(4)
    case.browser.sock.sendall(b"body" + b"pipelined")
    case.browser.sock.shutdown(socket.SHUT_WR)
    assert case.streamlit.read(len(HEAD) + 4) == HEAD + b"body"
    rounds.check_idle(loop)
    case.streamlit.sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert case.answer().status == 204
    assert case.wait() == (204, 0, "")


@pytest.mark.parametrize("vanish", ["close", "half", "reset"])
def test_client_that_vanishes(begin: Begin, loop: Loop, vanish: str) -> None:
    """Streamlit sees that the body isn't complete."""
    case = begin(10)
    case.browser.sock.sendall(b"body")
    assert case.streamlit.read(len(HEAD) + 4) == HEAD + b"body"
    if vanish == "reset":
        reset(case.browser.sock)
    elif vanish == "close":
        case.browser.sock.close()
    else:
        case.browser.sock.shutdown(socket.SHUT_WR)

    assert case.closed() == b""
    status, sent, error = case.wait()
    assert (status, sent) == (0, 0)
    if vanish == "reset":
        assert error == "client: Connection reset by peer"
    else:
        assert error == "client: 6 bytes of the request's body are missing"
    assert not loop.tasks


# The response


def test_response_with_a_length(begin: Begin, loop: Loop) -> None:
    case = begin(4)
    case.browser.sock.sendall(b"body")
    respond(
        case,
        b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nServer: x\r\nConnection: close\r\n"
        b"Location: http://x/_stcore/there\r\nSet-Cookie: a=b; Path=/\r\n\r\ndone" + b"surplus",
    )
    answer = case.answer()

    assert (answer.status, answer.reason, answer.body) == (201, "Created", b"done")
    assert answer.headers == [
        ("Content-Length", "4"),
        ("Location", "../../there"),
        ("Set-Cookie", "a=b; Path=/sub"),
        ("X-Request-Id", "id-1"),
        ("Connection", "close"),
    ]
    assert not case.browser.was_reset
    assert case.wait() == (201, 4, "")
    case.browser.sock.close()
    eventually(lambda: not loop.tasks)
    assert case.closed() == b""


def test_response_in_chunks(begin: Begin) -> None:
    """They pass as they are."""
    chunks = b"4\r\ndone\r\n0\r\n\r\n"
    case = begin(4)
    case.browser.sock.sendall(b"body")
    respond(case, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks[:6])
    case.streamlit.sock.sendall(chunks[6:])
    case.streamlit.sock.close()
    answer = case.answer()

    assert (answer.get("Transfer-Encoding"), answer.body) == ("chunked", chunks)
    assert case.wait() == (200, len(chunks), "")


def test_response_until_the_connections_end(begin: Begin) -> None:
    case = begin(4)
    case.browser.sock.sendall(b"body")
    respond(case, b"HTTP/1.1 200 OK\r\n\r\ndo")
    case.streamlit.sock.sendall(b"ne")
    case.streamlit.sock.close()

    assert case.answer().body == b"done"
    assert not case.browser.was_reset
    assert case.wait() == (200, 4, "")


def test_response_cut_anywhere(begin: Begin, loop: Loop) -> None:
    """With what comes before it (RFC 9110 15.2)."""
    response = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
    )
    for cut in range(1, len(response)):
        case = begin(4)
        case.browser.sock.sendall(b"body")
        respond(case, response[:cut])
        catch_up(loop)
        case.streamlit.sock.sendall(response[cut:])
        answer = case.answer()
        assert (answer.status, answer.body) == (200, b"done")
        assert "Link" not in answer
        assert case.wait() == (200, 4, "")
        case.browser.sock.close()


def test_answer_to_head(begin: Begin) -> None:
    """It has a length, and no body."""
    case = begin(4, method="HEAD")
    case.browser.sock.sendall(b"body")
    respond(case, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    answer = case.answer()

    assert (answer.get("Content-Length"), answer.body) == ("100", b"")
    assert case.wait() == (200, 0, "")


@pytest.mark.parametrize("vanish", ["stays", "closes", "resets"])
def test_answer_before_the_bodys_end(begin: Begin, loop: Loop, vanish: str) -> None:
    """Streamlit doesn't want the rest. The client gets to know, though it's still sending."""
    case = begin(32 * MB)
    case.browser.sock.sendall(bytes(MB // 2))
    assert case.streamlit.read(len(HEAD)) == HEAD
    case.streamlit.sock.sendall(
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large"
    )
    if vanish == "closes":
        case.streamlit.sock.close()  # with the body unread: that's a reset, too
    elif vanish == "resets":
        case.streamlit.sock.shutdown(socket.SHUT_RD)
        case.browser.sock.sendall(bytes(MB // 2))
    head = case.browser.read_until(b"\r\n\r\n")

    assert head is not None
    assert parse_head(head).start_line == "HTTP/1.1 413 Content Too Large"
    assert case.browser.read(9) == b"too large"
    assert case.wait() == (413, 9, "")


@pytest.mark.parametrize(
    ("response", "left"),
    [
        pytest.param(b"Content-Length: 5\r\n\r\ndone", 1, id="length"),
        pytest.param(b"\r\ndone", None, id="until the end"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n9\r\ndone", None, id="chunks"),
    ],
)
def test_response_that_breaks_off(begin: Begin, response: bytes, left: int | None) -> None:
    """It doesn't look complete."""
    case = begin(4)
    case.browser.sock.sendall(b"body")
    respond(case, b"HTTP/1.1 200 OK\r\n" + response)
    eventually(lambda: case.browser.fill() and b"done" in case.browser.buffer)
    if left:
        case.streamlit.sock.close()
    else:
        reset(case.streamlit.sock)
    case.answer()

    assert case.browser.was_reset
    status, _, error = case.wait()
    assert status == 200
    assert error.startswith("the response broke off 1 " if left else "streamlit: Connection reset")


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        pytest.param(b"", "it closed the connection without an answer", id="nothing"),
        pytest.param(b"HTTP/1.1 200", "it closed the connection", id="part of a head"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\n\r\n", "it closed", id="interim only"),
        pytest.param(b"garbage\r\n\r\n", "'garbage'", id="garbage"),
        pytest.param(b"HTTP/1.1 101 Switching\r\n\r\n", "101", id="101"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content-Length 'x'", id="length"
        ),
        pytest.param(b"x" * 100_000, "head is longer", id="too long"),
    ],
)
def test_answer_that_is_none(begin: Begin, loop: Loop, response: bytes, detail: str) -> None:
    case = begin(4)
    case.browser.sock.sendall(b"body")
    respond(case, response)
    case.streamlit.sock.shutdown(socket.SHUT_WR)
    answer = case.answer()

    assert (answer.status, answer.reason) == (502, "Bad Gateway")
    assert detail in answer.text
    assert answer.get("X-Request-Id") == "id-1"
    assert answer.get("Content-Length") == str(len(answer.body))
    status, sent, error = case.wait()
    assert (status, sent) == (502, len(answer.body))
    assert f"{error}\n" == answer.text
    assert case.closed() == b""


def test_streamlit_that_vanishes_within_the_body(begin: Begin) -> None:
    case = begin(32 * MB)
    case.browser.sock.sendall(bytes(MB // 4))
    assert case.streamlit.read(len(HEAD)) == HEAD
    reset(case.streamlit.sock)
    answer = case.browser.read_until(b"\r\n\r\n")

    assert answer is not None
    assert parse_head(answer).start_line == "HTTP/1.1 502 Bad Gateway"
    assert case.wait()[0] == 502


def test_streamlit_that_is_gone_before(begin: Begin, loop: Loop) -> None:
    over: list[Outcome] = []
    browser, client = tcp_pair()
    upstream, streamlit = tcp_pair()
    reset(streamlit)
    context = Context("id-1", "POST", "/", "")
    with browser:
        loop.call(
            lambda: Upload(
                loop, PATIENT, context, (client, upstream), 4, lambda *o: over.append(o)
            ).start(HEAD)
        )
        case = Case(Stream(browser), Stream(streamlit), over)
        assert case.answer().status == 502
        assert case.wait()[0] == 502


def test_client_that_goes_away_before_the_response(begin: Begin, loop: Loop) -> None:
    case = begin(4)
    case.browser.sock.sendall(b"body")
    assert case.streamlit.read(len(HEAD) + 4) == HEAD + b"body"
    reset(case.browser.sock)
    case.streamlit.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

    status, sent, error = case.wait()
    assert (status, sent) == (200, 0)
    assert error.startswith("client: ")
    assert not loop.tasks


# Patience


@pytest.mark.parametrize("upstream_timeout", [LONG, 0])
def test_client_that_is_silent(begin: Begin, loop: Loop, upstream_timeout: float) -> None:
    """Streamlit sees that the body isn't complete."""
    case = begin(4, limits=Limits(client_timeout=SOON, upstream_timeout=upstream_timeout))
    answer = case.answer()

    assert (answer.status, answer.reason) == (408, "Request Timeout")
    assert case.wait()[0] == 408
    assert case.closed() == HEAD


@pytest.mark.parametrize("client_timeout", [LONG, 0])
def test_streamlit_that_is_silent(begin: Begin, client_timeout: float) -> None:
    """Whatever limit held before, when the client was waited for."""
    limits = Limits(client_timeout=client_timeout, upstream_timeout=SOON)
    case = begin(4, limits=limits)
    case.browser.sock.sendall(b"body")
    answer = case.answer()

    assert (answer.status, answer.reason) == (504, "Gateway Timeout")
    assert "gateway_upstream_read_timeout_s" in answer.text
    assert case.wait()[0] == 504


def test_streamlit_that_takes_nothing(begin: Begin, loop: Loop) -> None:
    case = begin(32 * MB, limits=Limits(client_timeout=LONG, upstream_timeout=20 * SOON))
    send_until_it_blocks(case.browser.sock, 4 * MB, loop)
    head = case.browser.read_until(b"\r\n\r\n")

    assert head is not None
    assert parse_head(head).start_line == "HTTP/1.1 504 Gateway Timeout"
    assert case.wait()[0] == 504


def test_no_limits(begin: Begin, loop: Loop, rounds: Rounds) -> None:
    case = begin(4, limits=Limits(client_timeout=0, upstream_timeout=0))
    assert case.streamlit.read(len(HEAD)) == HEAD
    rounds.check_idle(loop)

    assert rounds.all[-1][0] is None


def test_end_of_the_loop(begin: Begin, loop: Loop) -> None:
    case = begin(4)
    assert case.streamlit.read(len(HEAD)) == HEAD
    loop.stop()

    assert case.closed() == b""
    assert not case.browser.fill()
    assert case.browser.was_reset
    assert case.over == [(0, 0, "stopped")]
