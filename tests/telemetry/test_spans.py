"""What a relay tells of WebSockets that are closed, and how that finds a worker."""

from __future__ import annotations

import collections
import json
import os
import selectors
import socket
import time
import typing as t

import pytest

from fluxsync.bridges.relay import Relay, Session
from fluxsync.process import wire
from fluxsync.process.channel import Channel
from fluxsync.process.switchboard import Switchboard
from tests.support import frames
from tests.support.http import Stream
from tests.support.relays import HEAD, MASK, unix_pair
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from pathlib import Path


def told(trace: dict[str, str] | None, last: frames.Frame | None) -> list[dict[str, t.Any]]:
    """Return what a relay tells of a WebSocket that ends with a frame of the browser's."""
    facts: list[dict[str, t.Any]] = []
    relay = Relay(on_traced=facts.append)
    (browser, client), (upstream, streamlit) = unix_pair(), unix_pair()
    session = Session("id", "r1", client="192.0.2.1", path="/p", trace=trace)
    relay.add(session, client, upstream, HEAD, b"")
    with browser, streamlit:
        assert Stream(browser).read(len(HEAD)) == HEAD
        if last is not None:
            browser.sendall(last.encode(MASK))
            assert frames.read_frame(Stream(streamlit)) is not None
            streamlit.sendall(last.encode())
        # In this order: it's the browser that goes.
        browser.close()
        assert not Stream(streamlit).fill()
    eventually(lambda: not relay.counts())
    relay.stop()
    return facts


@pytest.mark.parametrize(
    ("last", "code", "error"),
    [
        pytest.param(frames.close(1000), 1000, "", id="normal"),
        pytest.param(frames.close(1002), 1002, "1002", id="protocol error"),
        pytest.param(None, 1006, "", id="vanished"),
    ],
)
def test_end_of_a_websocket(last: frames.Frame | None, code: int, error: str) -> None:
    before = time.time_ns()
    (facts,) = told({"traceparent": "x"}, last)

    # It travels as JSON.
    facts = json.loads(json.dumps(facts))
    assert facts["name"] == "fluxsync.websocket"
    assert facts["trace"] == {"traceparent": "x"}
    assert before <= facts["began"] <= facts["ended"] <= time.time_ns()
    assert facts["error"] == error
    assert facts["attributes"]["fluxsync.websocket.close_code"] == code
    assert facts["attributes"]["fluxsync.websocket.bytes_received"] == (8 if last else 0)
    assert facts["attributes"]["client.address"] == "192.0.2.1"


def test_nothing_is_told_for_nobody() -> None:
    assert told(None, frames.close(1000)) == []


def test_messages_wait_for_a_worker(tmp_path: Path) -> None:
    waiting = collections.deque([{"type": "span", "n": 1}, {"type": "span", "n": 2}])
    with selectors.DefaultSelector() as selector:
        greeted: list[Channel] = []

        def greet(channel: Channel, _: object) -> None:
            channel.is_worker = True
            greeted.append(channel)

        board = Switchboard(selector, greet)
        board.open(tmp_path / "s")
        board.pass_on(waiting)
        assert len(waiting) == 2
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(os.fspath(tmp_path / "s"))
            wire.send(sock, {"type": "hello"})

            def turn() -> bool:
                for key, _ in selector.select(0.1):
                    key.data()
                return bool(greeted)

            eventually(turn)
            board.pass_on(waiting)
            received: list[wire.Message] = []
            receiver = wire.Receiver()
            while len(received) < 2:
                received += receiver.receive(sock) or []
        board.close()

    assert [message.data["n"] for message in received] == [1, 2]
    assert not waiting
