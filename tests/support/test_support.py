"""The support code finds what it is there to find."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import typing as t
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import frames, http, websocket
from tests.support.caddy import Caddy
from tests.support.frames import Frame
from tests.support.fronts import Front, Prefix
from tests.support.leaks import Service, Snapshot, mark_of
from tests.support.nginx import Nginx
from tests.support.processes import PYTHON, Server, free_port, is_alive
from tests.support.tcp import CuttableProxy
from tests.support.upstream import FakeStreamlit, pattern
from tests.support.waiting import eventually

SLEEP = "import time; time.sleep(600)"
# A child in a session of its own and without the mark outlives its parent.
ORPHAN = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], env={{}}, start_new_session=True)
print("child", child.pid, flush=True)
{SLEEP}
"""


def test_leaked_thread() -> None:
    before = Snapshot()
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    assert before.leaked() == [thread]
    with pytest.raises(AssertionError, match="leaked"):
        before.check(timeout=0)
    event.set()
    before.check()


def test_leaked_file() -> None:
    before = Snapshot()
    with socket.socket() as sock:
        assert [t.cast("tuple[int, str]", leak)[0] for leak in before.leaked()] == [sock.fileno()]
    before.check()


def test_leaked_process_is_killed() -> None:
    before = Snapshot()
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as child:
        with pytest.raises(AssertionError, match="leaked"):
            before.check(timeout=0)
        assert child.wait() < 0
    before.check()


def test_leaked_orphan() -> None:
    """A process that its parent leaves behind comes to us."""
    before = Snapshot()
    with Server(*PYTHON, "-c", ORPHAN) as server:
        orphan = int(server.wait_for_line(r"child (\d+)")[1])
        assert mark_of(server.pid) == server.mark
        assert {p.pid for p in server.processes()} == {server.pid, orphan}
        server.popen.kill()
        assert server.wait() < 0
        with pytest.raises(AssertionError, match=str(orphan)):
            before.check(timeout=0)
        server.wait_gone()
    before.check()


def test_server_that_leaves_an_orphan_fails() -> None:
    with Server(*PYTHON, "-c", ORPHAN, linger=0) as server:
        server.wait_for_line(r"child (\d+)")
        processes = server.processes()
        with pytest.raises(AssertionError, match="the end of"):
            server.stop()
        assert not any(map(is_alive, processes))


def test_services_of_earlier_fixtures_are_no_leaks() -> None:
    with FakeStreamlit() as upstream:
        before = Snapshot()
        with closing(http.Connection(upstream.port)) as connection:
            connection.request("GET", "/echo")
            assert {type(leak) for leak in before.leaked()} == {tuple}  # the client's socket
        assert before.leaked() == []
        assert Snapshot().leaked() == []


def test_output_is_shown_when_a_server_ends_too_early() -> None:
    server = Server(*PYTHON, "-c", "print('no such option')")
    with server:
        with pytest.raises(AssertionError, match="no such option"):
            server.wait_for_line("Listening")
        assert server.stop() == 0
    assert server not in Service.running
    assert not server.directory.exists()


def test_output_is_complete_when_a_server_has_ended() -> None:
    with Server(*PYTHON, "-c", "print('line\\n' * 5000, end='')") as server:
        with server._changed:  # the thread that reads comes to nothing, as on a busy machine
            server.popen.wait(20)
        assert server.wait() == 0
        assert server.lines == ["line"] * 5000


def test_ports_are_different() -> None:
    """Nobody has bound them yet."""
    assert len({free_port() for _ in range(300)}) == 300


@given(st.binary(max_size=200), st.binary(min_size=4, max_size=4) | st.none(), st.integers(0, 255))
def test_frames(payload: bytes, mask: bytes | None, first: int) -> None:
    """What is encoded is read back, masked or not."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(Frame(first, payload).encode(mask))
        ours.shutdown(socket.SHUT_WR)
        stream = http.Stream(theirs)
        assert frames.read_frame(stream) == Frame(first, payload, mask is not None)
        assert frames.read_frame(stream) is None


def test_upstream_shows_what_it_received(upstream: FakeStreamlit) -> None:
    headers = [("X-Two", "1"), ("x-two", "2"), ("Transfer-Encoding", "chunked")]
    body = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    response = http.post(upstream.port, "/echo//a%2Fb?c", body, headers)
    seen = response.json()
    assert (seen["method"], seen["target"]) == ("POST", "/echo//a%2Fb?c")
    assert [pair for pair in seen["headers"] if pair[0].lower() == "x-two"] == [
        ["X-Two", "1"],
        ["x-two", "2"],
    ]
    assert (seen["body_length"], upstream.requests[0].body) == (5, b"abcde")
    assert seen["body_sha256"] == hashlib.sha256(b"abcde").hexdigest()


@pytest.mark.parametrize("target", ["/bytes/100000", "/close/100000"])
def test_upstream_bytes(upstream: FakeStreamlit, target: str) -> None:
    assert http.get(upstream.port, target).body == b"".join(pattern(100_000))


def test_upstream_chunks_arrive_one_by_one(upstream: FakeStreamlit) -> None:
    with http.Connection(upstream.port) as connection:
        connection.send_request("GET", "/gated/2")
        response = connection.read_head()
        body = connection.iter_body(response)
        for number in range(2):
            upstream.gate.release()
            assert next(body) == b"data: %d\n\n" % number
        assert list(body) == []
        assert response.complete
        assert connection.request("GET", "/chunked/3/5").chunks == [b"xxxxx"] * 3


@pytest.mark.parametrize("target", ["/reset", "/reset-chunked"])
def test_upstream_reset(upstream: FakeStreamlit, target: str) -> None:
    response = http.get(upstream.port, target)
    assert response.status == 200
    assert not response.complete


def test_upstream_sees_an_aborted_upload(upstream: FakeStreamlit) -> None:
    with http.Connection(upstream.port) as connection:
        connection.send_request("POST", "/sink", [("Content-Length", "10")], b"short")
        upstream.wait_for_request("/sink")
        connection.reset()
    request = upstream.sinks.get(timeout=10)
    assert (request.body_length, request.complete) == (5, False)


def test_upstream_websocket(upstream: FakeStreamlit) -> None:
    upstream.greeting = frames.text("hello").encode()
    with websocket.connect(upstream.port, cookie="a=b") as client:
        assert client.getsubprotocol() == "streamlit"
        assert client.recv() == "hello"
        client.send("push 2 16")
        assert [client.recv() for _ in range(2)] == [b"00000000" * 2, b"00000001" * 2]
        client.send_binary(b"x" * 70_000)
        assert client.recv() == b"x" * 70_000
        client.send("close 4001 because")
        assert client.recv_data()[1] == b"\x0f\xa1because"
    peer = upstream.websockets[0]
    assert peer.ended.wait(10)
    assert peer.request.get("Cookie") == "a=b"
    assert peer.close_code == 1000  # what websocket-client answers


def test_upstream_refuses_and_goes_on_as_http(upstream: FakeStreamlit) -> None:
    upstream.refusal = 403, b"no"
    with http.Connection(upstream.port) as connection:
        assert websocket.handshake(connection).status == 403
        assert connection.read(2) == b"no"
        assert connection.request("GET", "/echo").status == 200
    assert [request.path for request in upstream.requests] == ["/_stcore/stream", "/echo"]


@pytest.mark.parametrize("front_class", [Nginx, Caddy])
@pytest.mark.parametrize(
    ("prefix", "seen"),
    [(Prefix.NONE, "/echo"), (Prefix.STRIP, "/echo"), (Prefix.FULL, "/subdir/echo")],
)
def test_fronts(
    upstream: FakeStreamlit, front_class: type[Front], prefix: Prefix, seen: str
) -> None:
    if shutil.which(front_class.command) is None:
        pytest.skip(f"there is no {front_class.command}")
    with front_class(upstream.port, prefix) as front:
        assert front.get("echo?a=%2F").json()["target"] == f"{seen}?a=%2F"
        if prefix is Prefix.STRIP:
            target = f"{front.path}_stcore/stream"
            with websocket.RawWebSocket(front.port, target) as client:
                assert client.echo("through") == "through"
        if prefix is not Prefix.NONE:
            assert http.get(front.port, "/other").status == 404


def test_proxy_cuts(upstream: FakeStreamlit) -> None:
    with CuttableProxy(upstream.port) as proxy, http.Connection(proxy.port) as connection:
        assert connection.request("GET", "/echo").status == 200
        proxy.open = False
        proxy.cut()
        assert connection.is_closed()
        with pytest.raises(ConnectionError):
            http.get(proxy.port, "/echo")
        proxy.open = True
        assert http.get(proxy.port, "/echo").status == 200


def test_eventually() -> None:
    answers = iter([None, "", "yes"])
    assert eventually(lambda: next(answers)) == "yes"
    with pytest.raises(AssertionError, match=f"a miracle in {os.getpid()}"):
        eventually(lambda: False, 0, lambda: f"a miracle in {os.getpid()}")
