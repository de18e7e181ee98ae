from __future__ import annotations

import contextlib
import dataclasses
import socket
import typing as t

import pytest

from fluxsync.bridges import downloads
from fluxsync.bridges.downloads import Download
from fluxsync.bridges.limits import Limits
from tests.support.http import Stream
from tests.support.relays import (
    LONG,
    SOON,
    catch_up,
    send_until_it_blocks,
    tcp_pair,
)
from tests.support.upstream import pattern, reset
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fluxsync.bridges.loop import Loop
    from tests.support.relays import Rounds

PATIENT = Limits(client_timeout=LONG, upstream_timeout=LONG)
MB = 1 << 20


@dataclasses.dataclass
class Case:
    """A download, seen from its ends."""

    browser: Stream
    #: What was said at the end.
    over: list[tuple[int, str]]
    #: Nobody's for a file.
    streamlit: socket.socket

    def rest(self) -> bytes:
        """Return what the client still gets until the connection's end."""
        while self.browser.fill():
            pass
        data, self.browser.buffer = self.browser.buffer, b""
        return data

    def wait(self) -> tuple[int, str]:
        """Wait for the end, and return what was said, once."""
        eventually(lambda: self.over)
        (outcome,) = self.over
        return outcome


class Begin(t.Protocol):
    def __call__(
        self,
        source: socket.socket | Path | None = None,
        left: int | None = None,
        first: bytes = b"",
        *,
        offset: int = 0,
        limits: Limits = PATIENT,
    ) -> Case: ...


def send_until_it_ends(sock: socket.socket) -> None:
    """Send until the other end is closed."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while True:
            sock.sendall(bytes(1 << 16))


@pytest.fixture
def begin(loop: Loop) -> Iterator[Begin]:
    """Leave a response to the loop: the rest of a file, or of what Streamlit sends."""
    cases: list[Case] = []

    def begin(
        source: socket.socket | Path | None = None,
        left: int | None = None,
        first: bytes = b"",
        *,
        offset: int = 0,
        limits: Limits = PATIENT,
    ) -> Case:
        browser, client = tcp_pair()
        upstream, streamlit = tcp_pair()
        case = Case(Stream(browser), [], streamlit)
        cases.append(case)
        rest: downloads.Source = upstream
        if source is not None and not isinstance(source, socket.socket):
            upstream.close()
            rest = source.open("rb", buffering=0)
            rest.seek(offset)

        def over(sent: int, error: str) -> None:
            case.over.append((sent, error))

        loop.call(lambda: Download(loop, limits, client, rest, left, over).start(first))
        return case

    yield begin
    for case in cases:
        case.browser.sock.close()
        case.streamlit.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that doesn't fit into a connection's buffers."""
    path = tmp_path / "file"
    path.write_bytes(b"".join(pattern(4 * MB)))
    return path


# Streamlit's connection


def test_response_of_known_length(begin: Begin, loop: Loop) -> None:
    """What comes behind it is nobody's."""
    case = begin(left=5, first=b"head ")
    case.streamlit.sendall(b"bo")
    assert case.browser.read(7) == b"head bo"
    case.streamlit.sendall(b"dy!surplus")

    assert case.rest() == b"dy!"
    assert not case.browser.was_reset
    assert case.wait() == (10, "")
    case.browser.sock.close()
    eventually(lambda: not loop.tasks)


def test_response_until_the_connections_end(begin: Begin) -> None:
    case = begin(first=b"head ")
    case.streamlit.sendall(b"body")
    case.streamlit.close()

    assert case.rest() == b"head body"
    assert not case.browser.was_reset
    assert case.wait() == (9, "")


def test_nothing_is_left_of_it(begin: Begin) -> None:
    case = begin(left=0, first=b"all")

    assert case.rest() == b"all"
    assert case.wait() == (3, "")


def test_nothing_at_all(begin: Begin) -> None:
    case = begin(left=0)

    assert case.rest() == b""
    assert case.wait() == (0, "")


def test_connection_to_streamlit_is_closed(begin: Begin) -> None:
    case = begin(left=1)
    case.streamlit.sendall(b"x")

    assert case.rest() == b"x"
    assert case.streamlit.recv(1) == b""


@pytest.mark.parametrize("first", [b"", bytes(2 * MB)])
def test_slow_client(begin: Begin, loop: Loop, rounds: Rounds, first: bytes) -> None:
    """Streamlit has to wait, and what waits here has a limit."""
    case = begin(left=32 * MB, first=first)
    sent = send_until_it_blocks(case.streamlit, 32 * MB, loop)
    catch_up(loop)
    (task,) = loop.tasks
    assert isinstance(task, Download)
    assert 0 < len(task._out) <= max(len(first), len(loop.buffer))
    rounds.check_idle(loop)

    assert case.browser.read(len(first) + sent) == bytes(len(first) + sent)
    catch_up(loop)
    rounds.check_idle(loop)
    case.streamlit.close()
    assert case.wait() == (
        len(first) + sent,
        f"the response broke off {32 * MB - sent} bytes before its end",
    )


def test_nothing_to_do_while_streamlit_is_silent(begin: Begin, loop: Loop, rounds: Rounds) -> None:
    """Not even if the client has closed its direction, or says something."""
    case = begin(left=5, first=b"head")
    assert case.browser.read(4) == b"head"
    case.browser.sock.sendall(b"pipelined")
    case.browser.sock.shutdown(socket.SHUT_WR)
    rounds.check_idle(loop)
    case.streamlit.sendall(b"x" * 5)

    assert case.rest() == b"x" * 5
    assert not case.browser.was_reset
    assert case.wait() == (9, "")


def test_response_that_breaks_off(begin: Begin) -> None:
    """It doesn't look complete, however much has come."""
    case = begin(left=5, first=b"head ")
    case.streamlit.sendall(b"body")
    assert case.browser.read(9) == b"head body"
    case.streamlit.close()

    assert case.rest() == b""
    assert case.browser.was_reset
    assert case.wait() == (9, "the response broke off 1 bytes before its end")


@pytest.mark.parametrize("left", [5, None])
def test_connection_to_streamlit_that_is_reset(begin: Begin, left: int | None) -> None:
    case = begin(left=left, first=b"head")
    assert case.browser.read(4) == b"head"
    reset(case.streamlit)

    assert case.rest() == b""
    assert case.browser.was_reset
    assert case.wait() == (4, "streamlit: Connection reset by peer")


def test_client_that_goes_away(begin: Begin, loop: Loop) -> None:
    """Streamlit is told, when there's more to send."""
    case = begin(left=32 * MB, first=b"head")
    assert case.browser.read(4) == b"head"
    reset(case.browser.sock)
    send_until_it_ends(case.streamlit)

    sent, error = case.wait()
    assert sent < 32 * MB
    assert error.startswith("client: ")
    assert not loop.tasks


# Files


@pytest.mark.parametrize(
    ("offset", "count"), [(0, 4 * MB), (1, 4 * MB - 1), (3 * MB, 1), (0, 0), (7, 2 * MB)]
)
def test_part_of_a_file(begin: Begin, file: Path, offset: int, count: int) -> None:
    """From where it stands, and no more than is wanted."""
    case = begin(file, count, b"head ", offset=offset)

    assert case.rest() == b"head " + file.read_bytes()[offset : offset + count]
    assert not case.browser.was_reset
    assert case.wait() == (5 + count, "")


def test_slow_client_of_a_file(begin: Begin, loop: Loop, rounds: Rounds, file: Path) -> None:
    case = begin(file, 4 * MB)
    data = case.browser.read(1000)
    rounds.check_idle(loop)

    assert data + case.rest() == file.read_bytes()
    assert case.wait() == (4 * MB, "")


def test_large_file_does_not_stop_others(begin: Begin, loop: Loop, file: Path) -> None:
    """Each gets its turn, however fast a client is."""
    begin(file, 4 * MB)
    other = begin(left=2, first=b"o")
    other.streamlit.sendall(b"k!")

    assert other.rest() == b"ok!"


def test_file_that_becomes_shorter(begin: Begin, loop: Loop, file: Path) -> None:
    case = begin(file, 4 * MB)
    case.browser.read(1000)
    catch_up(loop)
    with file.open("r+b") as opened:
        opened.truncate(MB)

    case.rest()
    assert case.browser.was_reset
    sent, error = case.wait()
    assert sent < 4 * MB
    assert error == "the file has become shorter"


def test_client_of_a_file_that_goes_away(begin: Begin, file: Path) -> None:
    case = begin(file, 4 * MB)
    case.browser.read(1000)
    reset(case.browser.sock)

    sent, error = case.wait()
    assert sent < 4 * MB
    assert error.startswith("client: ")


# Patience


def test_client_that_takes_nothing(begin: Begin, file: Path) -> None:
    case = begin(file, 4 * MB, limits=Limits(client_timeout=SOON, upstream_timeout=LONG))

    sent, error = case.wait()
    assert 0 < sent < 4 * MB
    assert error == "client: timed out"
    case.rest()
    assert case.browser.was_reset


def test_client_that_takes_nothing_of_a_response(begin: Begin) -> None:
    case = begin(left=32 * MB, limits=Limits(client_timeout=SOON, upstream_timeout=LONG))
    send_until_it_ends(case.streamlit)

    assert case.wait()[1] == "client: timed out"


@pytest.mark.parametrize("client_timeout", [LONG, 0])
def test_streamlit_that_is_silent(begin: Begin, client_timeout: float) -> None:
    """Whatever limit held before, when the client was waited for."""
    limits = Limits(client_timeout=client_timeout, upstream_timeout=SOON)
    case = begin(left=5, first=b"head", limits=limits)

    assert case.wait() == (4, "streamlit: timed out")
    assert case.rest() == b"head"
    assert case.browser.was_reset


def test_no_limits(begin: Begin, loop: Loop, rounds: Rounds) -> None:
    case = begin(left=5, first=b"head", limits=Limits(client_timeout=0, upstream_timeout=0))
    assert case.browser.read(4) == b"head"
    rounds.check_idle(loop)

    assert rounds.all[-1][0] is None


def test_end_of_the_loop(begin: Begin, loop: Loop) -> None:
    case = begin(left=5, first=b"head")
    assert case.browser.read(4) == b"head"
    loop.stop()

    assert case.rest() == b""
    assert case.browser.was_reset
    assert case.streamlit.recv(1) == b""
    assert case.over == [(4, "stopped")]
