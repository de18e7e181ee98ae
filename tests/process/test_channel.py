from __future__ import annotations

import contextlib
import os
import socket
import typing as t

import pytest

from fluxsync.process import wire
from fluxsync.process.channel import Channel, is_own_user


@pytest.fixture
def peers() -> t.Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with theirs, contextlib.closing(channel):
        yield channel, theirs


def test_receive(peers: tuple[Channel, socket.socket]) -> None:
    """It never waits, and knows the end."""
    channel, peer = peers
    assert channel.receive() == []
    wire.send(peer, {"type": "status"})
    assert channel.receive() == [wire.Message({"type": "status"})]
    peer.close()
    assert channel.receive() is None


def test_rubbish_is_the_end(peers: tuple[Channel, socket.socket]) -> None:
    channel, peer = peers
    peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert channel.receive() is None


def test_slow_reader(peers: tuple[Channel, socket.socket]) -> None:
    """What it doesn't take at once waits; nothing is lost."""
    channel, peer = peers
    texts = [str(number) * 100_000 for number in range(5)]
    for text in texts:
        assert channel.send({"text": text})
    assert channel.waiting
    receiver = wire.Receiver()
    received: list[wire.Message] = []
    while len(received) < len(texts):
        received += receiver.receive(peer) or []
        assert channel.flush()
    assert [message.data["text"] for message in received] == texts
    assert not channel.waiting


def test_peer_that_does_not_read(peers: tuple[Channel, socket.socket]) -> None:
    """It's given up before much of its kind fills the memory."""
    channel, _ = peers
    assert not all(channel.send({"text": "x" * 100_000}) for _ in range(20))
    assert len(channel.waiting) < 1_300_000


def test_peer_that_has_gone(peers: tuple[Channel, socket.socket]) -> None:
    channel, peer = peers
    peer.close()
    assert not channel.send({})
    assert not channel.flush()


def test_own_user(peers: tuple[Channel, socket.socket]) -> None:
    channel, _ = peers
    assert is_own_user(channel.sock)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_other_user() -> None:
    """Even one who has come past the directory's mode."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # a name of the kernel's choice, which is no file (unix(7))
        listener.listen()
        child = os.fork()
        if not child:
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(listener.getsockname())
                client.recv(1)
            os._exit(0)
        with listener.accept()[0] as sock:
            assert not is_own_user(sock)
        assert os.waitpid(child, 0)[1] == 0
