from __future__ import annotations

import json
import os
import socket
import struct
import typing as t
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.process import wire

texts = st.text(max_size=20)
objects = st.dictionaries(
    texts.filter(lambda key: key != "files"), texts | st.integers() | st.none(), max_size=5
)


@pytest.fixture
def pair() -> t.Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def raw(text: bytes, payload: bytes = b"") -> bytes:
    return struct.pack("!II", len(text), len(payload)) + text + payload


def inode(file: int) -> int:
    return os.fstat(file).st_ino


@given(st.lists(st.tuples(objects, st.binary(max_size=100)), max_size=5), st.integers(1, 50))
def test_messages_in_pieces(messages: list[tuple[dict[str, t.Any], bytes]], size: int) -> None:
    """Whatever the pieces they come in, the same messages come out."""
    data = b"".join(wire.encode(*message) for message in messages)
    receiver = wire.Receiver()
    received: list[wire.Message] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for start in range(0, len(data), size):
            ours.sendall(data[start : start + size])
            received += receiver.receive(theirs) or []
        ours.close()
        assert receiver.receive(theirs) is None
    assert [(message.data, message.payload) for message in received] == messages


def test_files(pair: tuple[socket.socket, socket.socket]) -> None:
    """They come with their message, in order, and belong to the receiver then."""
    ours, theirs = pair
    receiver = wire.Receiver()
    with ExitStack() as stack:
        sent = [stack.enter_context(open(os.devnull)).fileno() for _ in range(3)]
        pipes = os.pipe()
        wire.send(ours, {"n": 1}, b"one", [pipes[0], sent[0]])
        wire.send(ours, {"n": 2})
        wire.send(ours, {"n": 3}, files=[pipes[1]])
        messages: list[wire.Message] = []
        while len(messages) < 3:
            messages += receiver.receive(theirs) or []
        assert [message.data for message in messages] == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert [len(message.files) for message in messages] == [2, 0, 1]
        assert inode(messages[0].files[0]) == inode(pipes[0])
        assert inode(messages[2].files[0]) == inode(pipes[1])
        assert not os.get_inheritable(messages[0].files[0])
        for file in pipes:
            os.close(file)
        for message in messages:
            message.close()


def test_large_message(pair: tuple[socket.socket, socket.socket]) -> None:
    """One that doesn't fit into the socket's buffer."""
    ours, theirs = pair
    payload = os.urandom(2_000_000)
    pid = os.fork()
    if not pid:
        try:
            wire.send(ours, {}, payload)
        finally:
            os._exit(0)
    receiver = wire.Receiver()
    while not (messages := receiver.receive(theirs)):
        assert messages == []
    os.waitpid(pid, 0)
    assert messages[0].payload == payload


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(struct.pack("!II", wire.MAX_MESSAGE, 0), id="too large"),
        pytest.param(raw(b"{"), id="no JSON"),
        pytest.param(raw(b"\xff{}"), id="no text"),
        pytest.param(raw(b"[]"), id="array"),
        pytest.param(raw(b"7"), id="number"),
        pytest.param(raw(b"[" * 100_000), id="deep"),
        pytest.param(raw(b'{"files": 1}'), id="missing file"),
        pytest.param(raw(b'{"files": -1}'), id="negative"),
        pytest.param(raw(b'{"files": "1"}'), id="text"),
        pytest.param(raw(b'{"files": Infinity}'), id="infinite"),
        pytest.param(raw(b'{"files": null}'), id="null"),
    ],
)
def test_no_message(data: bytes, pair: tuple[socket.socket, socket.socket]) -> None:
    """Nothing else happens than that it's refused; what came with it is closed."""
    ours, theirs = pair
    receiver = wire.Receiver()
    rights = struct.pack("i", theirs.fileno())
    complete = wire.encode({}, files=1)
    ours.sendmsg([complete + data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def receive() -> None:
        """Read until it's refused; large messages come in several pieces."""
        while True:
            for message in receiver.receive(theirs) or ():
                message.close()

    with pytest.raises(wire.WireError):
        receive()
    receiver.close()


def test_incomplete_message(pair: tuple[socket.socket, socket.socket]) -> None:
    """Its files are closed with the receiver, as the leak detector sees."""
    ours, theirs = pair
    receiver = wire.Receiver()
    rights = struct.pack("i", theirs.fileno())
    ours.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    assert receiver.receive(theirs) == []
    receiver.close()


def test_text_of_a_message() -> None:
    assert wire.encode({"a": "é"}, b"xy", files=2) == raw(
        json.dumps({"a": "é", "files": 2}).encode(), b"xy"
    )
