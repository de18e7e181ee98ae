"""What the supervisor's relay takes from workers, and what it doesn't. Its process: tests/live."""

from __future__ import annotations

import dataclasses
import os
import socket
import tempfile
import typing as t

import pytest

from fluxsync.bridges.limits import Limits
from fluxsync.process.wire import Message
from fluxsync.sansio.admission import Full
from fluxsync.sansio.relayed import Context
from fluxsync.serving.supervisord import SupervisorRelay
from fluxsync.telemetry.access import Exchange
from tests.support import frames
from tests.support.http import Stream
from tests.support.relays import HEAD, MASK, unix_pair
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

EXCHANGE = dataclasses.asdict(Exchange("POST", "/upload", "", "id-1"))
CONTEXT = dataclasses.asdict(Context("id-1", "POST", "/upload", ""))
WEBSOCKET = {"type": "websocket", "session": {"id": "id-1", "replica": "r1"}, "split": len(HEAD)}
UPLOAD = {"type": "upload", "exchange": EXCHANGE, "context": CONTEXT, "left": 4}
DOWNLOAD = {"type": "download", "exchange": EXCHANGE, "left": 4}


@pytest.fixture
def relay() -> Iterator[SupervisorRelay]:
    relay = SupervisorRelay(1024)
    yield relay
    relay.stop()


@dataclasses.dataclass
class Ends:
    """The far ends of two connections whose near ends are handed over."""

    browser: Stream
    streamlit: Stream
    files: tuple[int, int]


@pytest.fixture
def ends() -> Iterator[Ends]:
    (browser, client), (streamlit, upstream) = unix_pair(), unix_pair()
    with browser, streamlit:
        # As they arrive from a worker: numbers, of which nobody else knows.
        yield Ends(Stream(browser), Stream(streamlit), (client.detach(), upstream.detach()))


def is_open(file: int) -> bool:
    try:
        os.fstat(file)
    except OSError:
        return False
    return True


def test_websocket(relay: SupervisorRelay, ends: Ends) -> None:
    early = frames.text("early").encode(MASK)
    relay.adopt(Message(WEBSOCKET, HEAD + early, ends.files))

    assert ends.browser.read(len(HEAD)) == HEAD
    assert ends.streamlit.read(len(early)) == early
    assert relay.counts() == {"r1": 1}


@pytest.mark.parametrize("logged", [True, False])
def test_upload(
    relay: SupervisorRelay,
    ends: Ends,
    logged: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It gets its line in the access log, if one is wanted."""
    caplog.set_level("INFO", "fluxsync.access")
    relay.adopt(
        Message({**UPLOAD, "exchange": {**EXCHANGE, "is_logged": logged}}, b"head", ends.files)
    )
    ends.browser.sock.sendall(b"body")
    assert ends.streamlit.read(8) == b"headbody"
    assert relay.transfers == 1
    ends.streamlit.sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert ends.browser.read_until(b"\r\n\r\n") is not None
    eventually(lambda: not relay.transfers)
    relay.stop()  # the line comes right behind
    assert [r.getMessage() for r in caplog.records] == ["POST /upload 204"] * logged


@pytest.mark.parametrize("logged", [True, False])
def test_download(
    relay: SupervisorRelay,
    ends: Ends,
    logged: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "fluxsync.access")
    exchange = {**EXCHANGE, "status": 200, "bytes": 10, "is_logged": logged}
    relay.adopt(Message({**DOWNLOAD, "exchange": exchange}, b"head", ends.files))
    ends.streamlit.sock.sendall(b"body")

    assert ends.browser.read(8) == b"headbody"
    eventually(lambda: not relay.transfers)
    relay.stop()
    assert [vars(r)["bytes"] for r in caplog.records] == [18] * logged


def test_download_of_a_file(relay: SupervisorRelay, ends: Ends) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"whole body")
        file.seek(6)
        client, upstream = ends.files
        os.close(upstream)
        relay.adopt(Message(DOWNLOAD, b"head", (client, os.dup(file.fileno()))))

        assert ends.browser.read(8) == b"headbody"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param({}, KeyError, id="nothing"),
        pytest.param({"type": "download", "exchange": None}, KeyError, id="no length"),
        pytest.param({**DOWNLOAD, "left": "many"}, ValueError, id="no number"),
        pytest.param({**DOWNLOAD, "exchange": {"color": 1}}, TypeError, id="strange exchange"),
        pytest.param({**UPLOAD, "context": {}}, KeyError, id="no context"),
        pytest.param({**WEBSOCKET, "session": {}}, TypeError, id="no session"),
        pytest.param({**WEBSOCKET, "split": None}, TypeError, id="no split"),
    ],
)
def test_message_that_is_not_understood(
    relay: SupervisorRelay, ends: Ends, data: dict[str, t.Any], error: type[Exception]
) -> None:
    """Its connections are closed, as nobody else does it."""
    with pytest.raises(error):
        relay.adopt(Message(data, b"", ends.files))

    assert not ends.browser.fill()
    assert not ends.streamlit.fill()
    assert (relay.counts(), relay.transfers) == ({}, 0)


@pytest.mark.parametrize("data", [WEBSOCKET, UPLOAD, DOWNLOAD])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_wrong_number_of_files(relay: SupervisorRelay, data: dict[str, t.Any], count: int) -> None:
    pairs = [socket.socketpair() for _ in range(count)]
    files = tuple(near.detach() for near, _ in pairs)
    with pytest.raises(ValueError, match="a connection and what belongs to it"):
        relay.adopt(Message(data, b"", files))

    for _, far in pairs:
        with far:
            assert far.recv(1) == b""


@pytest.mark.parametrize(
    ("data", "place"),
    [(WEBSOCKET, 0), (WEBSOCKET, 1), (UPLOAD, 0), (UPLOAD, 1), (DOWNLOAD, 0)],
)
def test_file_in_place_of_a_connection(
    relay: SupervisorRelay, ends: Ends, data: dict[str, t.Any], place: int
) -> None:
    files = list(ends.files)
    os.close(files[place])
    files[place] = os.open(__file__, os.O_RDONLY)
    with pytest.raises(ValueError, match="a connection and what belongs to it"):
        relay.adopt(Message(data, b"", tuple(files)))

    assert not [file for file in files if is_open(file)]


def test_pipe_in_place_of_a_file(relay: SupervisorRelay, ends: Ends) -> None:
    """It can't be sent from a position."""
    client, upstream = ends.files
    os.close(upstream)
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(ValueError, match="a connection and what belongs to it"):
        relay.adopt(Message(DOWNLOAD, b"", (client, read)))

    assert not is_open(read)
    assert not ends.browser.fill()


@pytest.mark.parametrize(("wanted", "open_files"), [(1, 1024), (0, 66), (100, 66)])
def test_limit_of_connections(wanted: int, open_files: int) -> None:
    """No more than the limit of open files allows, and the workers are told."""
    told: list[Full] = []
    relay = SupervisorRelay(open_files)
    relay.on_full = lambda: told.append(relay.full)
    relay.configure(dataclasses.asdict(Limits(max_connections=wanted)))
    far: list[socket.socket] = []
    for expected in (HEAD, b"HTTP/1.1 503 Service Unavailable\r\n"):
        (browser, client), (streamlit, upstream) = unix_pair(), unix_pair()
        far += browser, streamlit
        relay.adopt(Message(WEBSOCKET, HEAD, (client.detach(), upstream.detach())))
        assert Stream(browser).read(len(expected)) == expected
    relay.stop()
    for sock in far:
        sock.close()

    assert told == [Full(total=True), Full()]
