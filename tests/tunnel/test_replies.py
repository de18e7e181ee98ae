"""Responses that the relay's thread writes, to real connections."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.sansio import exchanges, records
from fluxsync.sansio.exchanges import Reply
from fluxsync.tunnel.replies import LongPoll, Streamed
from tests.support.relays import LONG, catch_up, is_readable, wait_for
from tests.support.upstream import reset
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from fluxsync.bridges.loop import Loop
    from fluxsync.tunnel.replies import Waiting
    from tests.support.callers import Call, Clock
    from tests.support.relays import Rounds
    from tests.tunnel.conftest import MakeCall

WENT_AWAY = "client: went away"


class Begun:
    """Begins responses in the loop's thread, and knows which are over."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        #: What a long poll would report.
        self.news = b""
        #: How often a response was over.
        self.left = 0

    def poll(self, call: Call, wait: float = 20.0) -> LongPoll:
        return self._begin(
            lambda: LongPoll(self._loop, call.caller, self._leave, lambda: self.news, wait)
        )

    def streamed(self, call: Call, duration: float = LONG) -> Streamed:
        return self._begin(lambda: Streamed(self._loop, call.caller, self._leave, duration))

    def _begin(self, make: t.Callable[[], Begin]) -> Begin:
        made: list[Begin] = []

        def begin() -> None:
            made.append(make())
            made[0].start()

        self._loop.call(begin)
        catch_up(self._loop)
        return made[0]

    def _leave(self) -> None:
        self.left += 1


Begin = t.TypeVar("Begin", bound="Waiting")


@pytest.fixture
def begun(loop: Loop) -> Begun:
    return Begun(loop)


def test_answer(loop: Loop, make_call: MakeCall) -> None:
    call = make_call()

    def answer() -> None:
        call.caller.answer(loop, Reply(409, b"body", "text/plain"))

    loop.call(answer)
    response = call.read_response()

    assert (response.status, response.body) == (409, b"body")
    assert response.get("Content-Type") == "text/plain"
    assert response.get("X-Request-Id") == "some-id"
    assert call.is_closed()
    call.close()
    eventually(lambda: not loop.tasks)
    assert call.outcomes == [(409, 4, "")]


# Long polls


def test_poll_without_news(
    loop: Loop, clock: Clock, rounds: Rounds, begun: Begun, make_call: MakeCall
) -> None:
    call = make_call()
    begun.poll(call)
    begun.news = b"none"
    rounds.check_idle(loop)
    clock.advance(19, loop)
    assert not is_readable(call.sock)
    clock.advance(1, loop)

    assert call.read_response().body == b"none"
    call.close()
    eventually(lambda: not loop.tasks)
    assert (call.outcomes, begun.left) == ([(200, 4, "")], 1)


@pytest.mark.parametrize("say", [LongPoll.on_news, LongPoll.on_last])
def test_news_are_gathered(
    loop: Loop,
    clock: Clock,
    begun: Begun,
    make_call: MakeCall,
    monkeypatch: pytest.MonkeyPatch,
    say: t.Callable[[LongPoll], None],
) -> None:
    """Those that come a little later get into the same response, and don't delay it."""
    monkeypatch.setattr(LongPoll, "GATHER", 4.0)
    call = make_call()
    poll = begun.poll(call)
    for news, seconds in ((b"a", 3), (b"b", 0.5)):
        begun.news += news
        loop.call(lambda: say(poll))
        clock.advance(seconds, loop)
        assert not is_readable(call.sock)
    clock.advance(0.5, loop)

    assert call.read_response().body == b"ab"


def test_news_at_the_end(
    loop: Loop,
    clock: Clock,
    begun: Begun,
    make_call: MakeCall,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits longer than wanted."""
    monkeypatch.setattr(LongPoll, "GATHER", 4.0)
    call = make_call()
    poll = begun.poll(call)
    clock.advance(17, loop)
    loop.call(poll.on_news)
    clock.advance(3, loop)

    assert is_readable(call.sock)
    assert call.read_response().status == 200


def test_news_come_soon(loop: Loop, begun: Begun, make_call: MakeCall) -> None:
    """Though the clock isn't put forward."""
    call = make_call()
    loop.call(begun.poll(call).on_news)

    assert call.read_response().status == 200


def test_poll_ends_once(loop: Loop, begun: Begun, make_call: MakeCall) -> None:
    call = make_call()
    poll = begun.poll(call)
    for end in (poll.end, poll.end, lambda: poll.fail("late"), poll.on_news):
        loop.call(end)
    call.read_response()
    call.close()
    eventually(lambda: not loop.tasks)

    assert (call.outcomes, begun.left, poll.is_over) == ([(200, 0, "")], 1, True)


# Clients that don't wait


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("begin", [Begun.poll, Begun.streamed])
def test_client_goes_away(
    loop: Loop,
    begun: Begun,
    make_call: MakeCall,
    begin: t.Callable[[Begun, Call], Waiting],
    end: str,
) -> None:
    call = make_call(tcp=True)
    waiting = begin(begun, call)
    if end == "close":
        call.close()
    else:
        reset(call.sock)
    eventually(lambda: call.outcomes)

    assert (call.outcomes, begun.left) == ([(200, 0, WENT_AWAY)], 1)
    assert waiting.is_over
    assert not loop.tasks
    assert call.caller.sock.fileno() < 0


@pytest.mark.parametrize("begin", [Begun.poll, Begun.streamed])
def test_client_says_something(
    loop: Loop,
    rounds: Rounds,
    begun: Begun,
    make_call: MakeCall,
    begin: t.Callable[[Begun, Call], Waiting],
) -> None:
    """That's none of ours, and isn't left unread: it would wake the loop again and again."""
    call = make_call()
    waiting = begin(begun, call)
    call.sock.sendall(bytes(100_000))
    catch_up(loop)
    rounds.check_idle(loop)

    assert not waiting.is_over
    assert not call.outcomes


@pytest.mark.parametrize("begin", [Begun.poll, Begun.streamed])
def test_stop(
    loop: Loop, begun: Begun, make_call: MakeCall, begin: t.Callable[[Begun, Call], Waiting]
) -> None:
    call = make_call()
    begin(begun, call)
    loop.stop()

    assert call.is_closed()
    assert (call.outcomes, begun.left) == ([(200, 0, "stopped")], 1)


# Streams


@pytest.mark.parametrize("takes_chunks", [True, False], ids=["HTTP/1.1", "HTTP/1.0"])
def test_stream(loop: Loop, begun: Begun, make_call: MakeCall, takes_chunks: bool) -> None:
    call = make_call(takes_chunks=takes_chunks)
    stream = begun.streamed(call)
    loop.call(lambda: stream.write(b"first"))
    head = call.read_head()
    assert head.get("Transfer-Encoding") == ("chunked" if takes_chunks else "")
    body = call.iter_body(head)
    assert next(body) == b"first"
    loop.call(lambda: stream.write(b"second"))
    assert next(body) == b"second"
    for _ in range(2):
        loop.call(stream.end)

    assert list(body) == []
    assert head.complete
    call.close()
    eventually(lambda: not loop.tasks)
    assert (call.outcomes, begun.left) == ([(200, 11, "")], 1)


def test_nothing_is_written_behind_the_end(loop: Loop, begun: Begun, make_call: MakeCall) -> None:
    call = make_call()
    stream = begun.streamed(call)
    loop.call(lambda: stream.write(b"first"))
    loop.call(stream.end)
    loop.call(lambda: stream.write(b"late"))

    assert call.read_response().body == b"first"
    assert call.is_closed()


def fill(loop: Loop, stream: Streamed) -> int:
    """Write until there's no room, and return how much was written."""
    written = []

    def write() -> None:
        while stream.room and not stream.is_over:
            written.append(stream.room)
            stream.write(bytes(stream.room))

    loop.call(write)
    wait_for(loop)
    return sum(written)


def test_slow_client(
    loop: Loop, clock: Clock, rounds: Rounds, begun: Begun, make_call: MakeCall
) -> None:
    """Little waits for it, and nothing is lost; it has time as long as it takes something."""
    call = make_call(tcp=True)
    stream = begun.streamed(call)
    written = fill(loop, stream)
    assert len(stream._out) < stream.HIGH_WATER + 16
    rounds.check_idle(loop)
    head = call.read_head()
    read = 0
    body = call.iter_body(head)
    for _ in range(4):
        clock.advance(stream.STALL - 1, loop)
        assert not stream.is_over
        while not stream.room:
            read += len(next(body))
            catch_up(loop)
        written += fill(loop, stream)
    loop.call(stream.end)

    read += sum(map(len, body))
    assert head.complete
    # Signs of life may be among it.
    assert read >= written
    eventually(lambda: call.outcomes == [(200, read, "")])


def test_more_is_said_when_there_is_room(
    loop: Loop, begun: Begun, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = make_call(tcp=True)
    stream = begun.streamed(call)
    written = fill(loop, stream)
    monkeypatch.setattr(stream, "on_room", stream.end)

    assert len(call.read_response().body) == written


def test_client_that_takes_nothing(
    loop: Loop, clock: Clock, begun: Begun, make_call: MakeCall
) -> None:
    """Its time begins when something waits for it."""
    call = make_call(tcp=True)
    stream = begun.streamed(call)
    clock.advance(stream.STALL - 1, loop)
    written = fill(loop, stream)
    clock.advance(stream.STALL - 1, loop)
    assert not stream.is_over
    clock.advance(1, loop)

    assert (call.outcomes, begun.left) == ([(200, written, "client: timed out")], 1)
    assert not loop.tasks


def test_signs_of_life(
    loop: Loop, clock: Clock, rounds: Rounds, begun: Begun, make_call: MakeCall
) -> None:
    call = make_call()
    stream = begun.streamed(call)
    loop.call(lambda: stream.write(b"first"))
    sign = records.encode_state(records.State())
    body = call.iter_body(call.read_head())
    assert next(body) == b"first"
    for _ in range(3):
        clock.advance(exchanges.KEEPALIVE - 0.5, loop)
        assert not is_readable(call.sock)
        clock.advance(0.5, loop)
        assert next(body) == sign
    clock.advance(stream.STALL, loop)
    assert next(body) == sign
    rounds.check_idle(loop)

    assert not stream.is_over


def test_no_signs_of_life_for_who_is_busy(
    loop: Loop, clock: Clock, rounds: Rounds, begun: Begun, make_call: MakeCall
) -> None:
    call = make_call(tcp=True)
    stream = begun.streamed(call)
    written = fill(loop, stream)
    clock.advance(exchanges.KEEPALIVE + 1, loop)
    rounds.check_idle(loop)
    loop.call(stream.end)

    assert len(call.read_response().body) == written


def test_stream_that_is_old(loop: Loop, clock: Clock, begun: Begun, make_call: MakeCall) -> None:
    call = make_call()
    stream = begun.streamed(call, duration=5.0)
    loop.call(lambda: stream.write(b"first"))
    clock.advance(4, loop)
    assert not stream.is_over
    clock.advance(1, loop)

    response = call.read_response()
    assert (response.body, response.complete) == (b"first", True)


def test_client_resets_within_a_stream(loop: Loop, begun: Begun, make_call: MakeCall) -> None:
    """Whether the next write sees it or the next event."""
    call = make_call(tcp=True)
    stream = begun.streamed(call)

    def write() -> None:
        reset(call.sock)
        for _ in range(3):
            stream.write(b"x")

    loop.call(write)
    eventually(lambda: call.outcomes)

    ((status, _, error),) = call.outcomes
    assert (status, error.partition(":")[0], begun.left) == (200, "client", 1)
    assert not loop.tasks
