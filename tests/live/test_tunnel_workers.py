"""Tunnels and gateway workers: they hold no thread, belong to no worker, and end in order."""

from __future__ import annotations

import contextlib
import functools
import signal
import typing as t

import psutil
import pytest

from tests.conftest import StartGateway, StartServer
from tests.live.served import Application
from tests.support import frames, http
from tests.support.gateways import Gateway
from tests.support.processes import is_alive
from tests.support.tunnel import MASK, Answer, Tunnel, assert_problem
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

APP = {"FLUXSYNC_APP": "tests.live.apps:app"}


def supervisor(server: Gateway) -> psutil.Process:
    (process,) = server.find("supervisord")
    return process


def workers(server: Gateway) -> set[psutil.Process]:
    return set(psutil.Process(server.pid).children())


def is_stopped(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


def has(process: psutil.Process, connection: http.Connection) -> bool:
    """Return whether a process has the other end of a connection."""
    return has_all(process, [connection])


def has_all(process: psutil.Process, connections: t.Iterable[http.Connection]) -> bool:
    """Return whether a process has the other ends of all these connections."""
    ports = {connection.sock.getsockname()[1] for connection in connections}
    return ports <= {getattr(end.raddr, "port", 0) for end in process.net_connections()}


@contextlib.contextmanager
def stopped(*processes: psutil.Process) -> t.Iterator[None]:
    """Have processes do nothing for a while."""
    for process in processes:
        process.suspend()
    try:
        for process in processes:
            eventually(functools.partial(is_stopped, process), what="its stop")
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@contextlib.contextmanager
def pages(server: Gateway, count: int, transport: str = "long-poll") -> t.Iterator[list[Tunnel]]:
    """Open tunnels of one browser."""
    with contextlib.ExitStack() as stack:
        opened: list[Tunnel] = []
        for _ in range(count):
            page = stack.enter_context(Tunnel(server.port))
            page.cookie = opened[0].cookie if opened else ""
            assert page.open(transport=transport).status == 200
            opened.append(page)
        yield opened


@pytest.mark.parametrize(
    ("worker_class", "args"),
    [
        ("sync", ("--workers", "1")),
        ("gthread", ("--workers", "1", "--threads", "2")),
        ("gevent", ()),
    ],
)
def test_waiting_pages_hold_nothing(
    gateway: StartGateway, worker_class: str, args: tuple[str, ...]
) -> None:
    """With one thread or two, other requests are answered, and the worker can end."""
    server = gateway(worker_class, env=APP, args=args)
    with pages(server, 50) as opened, contextlib.ExitStack() as stack:
        modes = ["stream", "long-poll"] * 25
        held = [stack.enter_context(p.hold(m)) for p, m in zip(opened, modes, strict=True)]
        for path in ("/healthz", "/api/echo", "/echo"):
            assert server.get(path).status == 200
        for number, page in enumerate(opened):
            page.send(frames.text(f"{number}"))
        for number in range(1, 50, 2):
            answer = Answer(held[number].read_response("POST"))
            assert answer.data == frames.text(f"{number}").encode()
            opened[number].take(answer)
            held[number] = stack.enter_context(opened[number].hold())
        owner = supervisor(server)
        eventually(lambda: has_all(owner, held), what="50 that wait")
        # A graceful end waits for requests, and these are none.
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        for number, page in enumerate(opened):
            answer = Answer(held[number].read_response("POST"))
            assert answer.response.complete
            page.take(answer)
            assert page.next_frame() == frames.text(f"{number}")
            close = page.next_frame()
            assert close is not None
            assert (close.opcode, close.close_code) == (frames.CLOSE, 1001)
            page.id = "new"  # there's nobody whom it could say goodbye to


def test_requests_reach_any_worker(serve: StartServer, upstream: FakeStreamlit) -> None:
    """There's no stickiness: what waits came from another one than what it's waiting for."""
    env = {"FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url}
    server = Application("fluxsync.wsgi", worker_class="sync", args=("--workers", "3"), env=env)
    serve(server)
    eventually(lambda: len(server.workers()) == 3, 20, "3 workers")
    everyone = [psutil.Process(pid) for pid in server.workers()]
    with Tunnel(server.port) as page:
        page.open()
        for worker in everyone:
            others = [other for other in everyone if other != worker]
            with stopped(*others):
                assert page.echo("by itself") == "by itself"
                waiting = page.hold()
                eventually(functools.partial(has, server.supervisor(), waiting), what="it")
            with waiting, stopped(worker):
                page.send(frames.text("by others"))
                page.take(Answer(waiting.read_response("POST")))
                assert page.receive() == frames.text("by others")
    assert len(upstream.websockets) == 1


@pytest.mark.parametrize("how", ["KILL", "HUP"])
def test_workers_come_and_go(gateway: StartGateway, upstream: FakeStreamlit, how: str) -> None:
    """What waits goes on waiting."""
    server = gateway(args=("--workers", "2"))
    with pages(server, 20) as opened, contextlib.ExitStack() as stack:
        held = [stack.enter_context(page.hold()) for page in opened]
        owner = supervisor(server)
        for connection in held:
            eventually(functools.partial(has, owner, connection), what="the hand-over")
        before = workers(server)
        for process in before if how == "KILL" else ():
            process.kill()
        if how == "HUP":
            server.send_signal(signal.SIGHUP)
        eventually(lambda: len(workers(server) - before) == 2 and not before & workers(server), 30)
        eventually(server.is_ready, 20)
        for number, page in enumerate(opened):
            page.send(frames.text(f"{number}"))
            page.take(Answer(held[number].read_response("POST")))
            assert page.receive().payload == b"%d" % number
            assert page.echo("and on") == "and on"
        assert len(upstream.websockets) == len(opened)
        assert not any(websocket.ended.is_set() for websocket in upstream.websockets)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_worker_killed_within_a_push(
    gateway: StartGateway, upstream: FakeStreamlit, moment: str
) -> None:
    """Before it has given the push to the supervisor, and before it has got the answer."""
    server = gateway(args=("--workers", "1"))
    (worker,) = workers(server)
    with Tunnel(server.port) as page, contextlib.ExitStack() as stack:
        page.open()
        assert page.echo("one") == "one"
        waiting = stack.enter_context(page.hold())
        eventually(lambda: has(supervisor(server), waiting) and not has(worker, waiting))
        data = frames.text("two").encode(MASK)
        if moment == "before":
            length = [("Content-Length", str(len(data)))]
            cut = stack.enter_context(page.begin(page.query(limit=0), data[:-1], length))
            eventually(lambda: has(worker, cut), what="the request")
            worker.kill()
        else:
            pairs = len(worker.net_connections("unix"))
            with stopped(supervisor(server)):
                cut = stack.enter_context(page.begin(page.query(limit=0), data))
                # It has handed one end of a pair over, and waits at the other.
                eventually(lambda: len(worker.net_connections("unix")) == pairs + 1, what="it")
                worker.kill()
        assert cut.is_closed()
        eventually(lambda: workers(server) - {worker} and server.is_ready(), 20, "a worker")
        again = page.exchange(data, limit=0)
        assert again.state.received == page.sent
        page.take(Answer(waiting.read_response("POST")))
        assert page.receive() == frames.text("two")
        assert page.echo("three") == "three"
        sent = [frame.payload for frame in upstream.wait_for_websocket().frames]
        assert sent == [b"one", b"two", b"three"]


def test_end_of_the_supervisor(gateway: StartGateway) -> None:
    """Pages are told, and open other tunnels in the next one."""
    server = gateway()
    with pages(server, 2) as (poll, stream), poll.hold() as waiting:
        stream.mode = "stream"
        assert stream.echo("hello") == "hello"
        old = supervisor(server)
        old.terminate()
        poll.take(Answer(waiting.read_response("POST")))
        for page in (poll, stream):
            close = page.receive()
            assert (close.opcode, close.close_code) == (frames.CLOSE, 1001)
        stream.drop_stream()
        eventually(lambda: not is_alive(old), 20, "its end")
        # The worker knows of the end when it has started another one.
        eventually(lambda: set(server.find("supervisord")) - {old}, 20, "another one")
        server.wait_ready()
        assert_problem(poll.request(poll.query()), 404)
        poll.sent = poll.received = 0
        poll.id = "new"
        assert poll.open().status == 200
        assert poll.echo("again") == "again"


def test_two_hundred_tunnels(gateway: StartGateway, upstream: FakeStreamlit) -> None:
    """All wait at once; afterwards, nothing is left of them."""
    server = gateway()
    files = supervisor(server).num_fds()
    threads = supervisor(server).num_threads()
    with pages(server, 200) as opened, contextlib.ExitStack() as stack:
        held = [stack.enter_context(page.hold()) for page in opened]
        assert server.get("/healthz").status == 200
        for number, page in enumerate(opened):
            page.send(frames.text(f"{number}"))
            page.take(Answer(held[number].read_response("POST")))
            assert page.receive().payload == b"%d" % number
        assert supervisor(server).num_threads() == threads
        assert supervisor(server).num_fds() >= files + 600
    # A worker's own loops are made when they're needed, and stay.
    eventually(lambda: supervisor(server).num_fds() <= files, what="closed files")
    assert max(process.num_fds() for process in workers(server)) < 50
    assert all(websocket.ended.wait(10) for websocket in upstream.websockets)
    assert {websocket.close_code for websocket in upstream.websockets} == {1001}
