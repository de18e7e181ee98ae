"""Tunnels in a real relay, between a page's requests and Streamlit's socket."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.bridges.limits import Limits
from fluxsync.sansio import closecodes
from fluxsync.sansio.admission import Full
from tests.support import frames
from tests.support.frames import Frame
from tests.support.relays import (
    LONG,
    catch_up,
    close_of,
    is_readable,
    send_until_it_blocks,
    wait_for,
)
from tests.support.upstream import reset
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from fluxsync.bridges.relay import Relay
    from fluxsync.tunnel.registry import Tunnels
    from tests.support.callers import Call, Clock, Page, Pages
    from tests.support.relays import Rounds

MASK = bytes(4)
HELD = ["stream", "long-poll"]
MODES = [*HELD, "short-poll"]
UP = Frame(0x81, b"up", masked=True)
UP_BYTES = frames.text("up").encode(MASK)
DOWN = frames.binary(b"down").encode()
SMALL = Limits(tunnel_window=1 << 16)


def say(page: Page, relay: Relay, data: bytes = DOWN) -> None:
    """Have Streamlit say something that fits, and wait until the tunnel has it."""
    page.streamlit.sock.sendall(data)
    catch_up(relay.loop)
    catch_up(relay.loop)


def data_of(call: Call, mode: str) -> bytes:
    """Return the data of a response that was held."""
    return call.stream_data(1) if mode == "stream" else call.answer().data


def check_nothing_is_left(pages: Pages, rounds: Rounds) -> None:
    """Fail if a tunnel is anywhere: nothing waits, is open, is counted, or is kept."""
    relay, tunnels = pages.relay, pages.tunnels
    pages.close()
    eventually(lambda: not relay.loop.tasks, what=lambda: relay.loop.tasks)
    wait_for(relay.loop)
    assert list(rounds.watched.values()) == [relay.loop]
    assert (relay.counts(), tunnels.counts(), tunnels.reasons()) == ({}, {}, {})
    assert (relay.full, relay._admission._open) == (Full(), 0)


# Data


@pytest.mark.parametrize("mode", MODES)
def test_bytes_pass_both_ways(pages: Pages, relay: Relay, rounds: Rounds, mode: str) -> None:
    page = pages.opened()
    if mode == "short-poll":
        say(page, relay)
        answer = page.exchange(UP_BYTES, mode=mode)
        got = answer.data
        assert answer.state.received == len(UP_BYTES)
    else:
        call = page.hold(mode)
        rounds.check_idle(relay.loop)
        answer = page.push(UP_BYTES)
        assert (answer.data, answer.state.received) == (b"", len(UP_BYTES))
        say(page, relay)
        got = data_of(call, mode)

    assert got == DOWN
    assert frames.read_frame(page.streamlit) == UP


@pytest.mark.parametrize("mode", MODES)
def test_what_is_there_comes_at_once(pages: Pages, relay: Relay, mode: str) -> None:
    """What Streamlit said right behind its 101, for example."""
    page = pages.opened(early=DOWN)
    catch_up(relay.loop)
    call = page.ask(wait=LONG, mode=mode) if mode in HELD else page.ask(mode=mode)

    assert data_of(call, mode) == DOWN


def test_poll_that_waits_for_nothing(pages: Pages, relay: Relay, clock: Clock) -> None:
    page = pages.opened()
    call = page.hold()
    clock.advance(19, relay.loop)
    assert not is_readable(call.sock)
    clock.advance(1, relay.loop)

    answer = call.answer()
    assert (answer.data, answer.state.total) == (b"", 0)


def test_answers_are_no_longer_than_wanted(pages: Pages, relay: Relay) -> None:
    page = pages.opened(early=frames.binary(bytes(300_000)).encode())
    assert page.exchange(limit=3, wait=20.0).data == b"\x82\x7f\x00"
    eventually(lambda: page.push(b"").state.total > 300_000)

    answer = page.exchange(limit=1 << 40)
    assert (answer.state.offset, len(answer.data), answer.state.total) == (3, 262144, 300_010)


@pytest.mark.parametrize("later", MODES)
@pytest.mark.parametrize("earlier", HELD)
def test_newest_request_counts(pages: Pages, relay: Relay, earlier: str, later: str) -> None:
    """The page has given the older one up, or has never sent it twice."""
    page = pages.opened()
    older = page.hold(earlier)
    newer = page.ask(wait=20.0 if later in HELD else 0.0, mode=later)
    if earlier == "stream":
        while older.stream():
            pass
    else:
        older.records = older.answer().records
    assert [state.total for state in older.records.states] == [0]
    assert older.records.data == b""
    say(page, relay)

    if later == "short-poll":
        assert newer.answer().data == b""
        newer = page.ask(mode=later)
    assert data_of(newer, later) == DOWN


@pytest.mark.parametrize("mode", HELD)
def test_pushes_do_not_end_what_waits(pages: Pages, relay: Relay, mode: str) -> None:
    page = pages.opened()
    call = page.hold(mode)
    for _ in range(3):
        page.push(UP_BYTES)
    say(page, relay)

    assert data_of(call, mode) == DOWN


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("mode", HELD)
def test_lost_response(pages: Pages, relay: Relay, mode: str, end: str) -> None:
    """It's asked for again."""
    page = pages.opened()
    call = page.hold(mode, tcp=True)
    say(page, relay, DOWN[:3])
    say(page, relay, DOWN[3:])
    if end == "close":
        call.close()
    else:
        reset(call.sock)
    eventually(lambda: call.outcomes)

    assert page.ask(mode="short-poll").answer().data == DOWN
    assert page.exchange(mode="short-poll", received=2).data == DOWN[2:]


def test_page_that_vanished_is_not_waited_for(pages: Pages, relay: Relay) -> None:
    """What comes after a lost response is kept, too."""
    page = pages.opened()
    call = page.hold("stream", tcp=True)
    reset(call.sock)
    eventually(lambda: call.outcomes)
    say(page, relay)

    assert page.exchange().data == DOWN


def test_change_of_transport_within_a_frame(pages: Pages, relay: Relay, tunnels: Tunnels) -> None:
    data = frames.binary(bytes(range(256)) * 300).encode()
    page = pages.opened(early=data, transport="stream")
    assert tunnels.counts() == {"stream": 1}
    stream = page.ask(wait=20.0, mode="stream")
    got = stream.stream_data(30_000)
    stream.close()
    page.received = len(got)
    while len(got) < len(data):
        mode = "long-poll" if len(got) < 60_000 else "short-poll"
        got += page.exchange(wait=20.0, mode=mode, limit=20_000).data
        assert tunnels.counts() == {mode: 1}

    assert got == data


# Positions


def test_repeated_requests(pages: Pages, relay: Relay) -> None:
    """However often and however late: Streamlit gets each byte once."""
    page = pages.opened()
    for at in range(len(UP_BYTES)):
        page.push(UP_BYTES[at : at + 1], sent=at)
        for _ in range(2):
            answer = page.push(UP_BYTES[: at + 1], sent=0)
            assert answer.state.received == at + 1
    page.push(UP_BYTES)

    assert [frames.read_frame(page.streamlit) for _ in range(2)] == [UP, UP]
    assert not is_readable(page.streamlit.sock)


def test_old_acknowledgement(pages: Pages, relay: Relay) -> None:
    """A push that was overtaken by a later request is as good as any."""
    page = pages.opened(early=DOWN)
    page.exchange(wait=20.0)
    page.exchange()
    answer = page.push(UP_BYTES, received=2)

    assert (answer.status, answer.state.received) == (200, len(UP_BYTES))
    assert answer.state.offset == page.received == len(DOWN)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        pytest.param({"sent": 9}, "1 bytes are missing before 9", id="gap"),
        pytest.param({"sent": 10**15 - 1}, "9" * 14, id="far away"),
        pytest.param({"received": 7}, "7", id="never sent"),
        pytest.param({"received": 7, "limit": 0}, "7 of 6 bytes can't have come", id="push"),
        pytest.param({"received": 1}, "1 is not in 2..6", id="not kept any more"),
        pytest.param({"received": 1, "wait": 20.0}, "1 is not in 2..6", id="held"),
        pytest.param({"sent": 9, "received": 6}, "1 bytes are missing", id="gap, and more"),
    ],
)
def test_positions_out_of_the_window(
    pages: Pages, relay: Relay, query: dict[str, t.Any], detail: str
) -> None:
    """They're refused, and nothing is lost by that."""
    page = pages.opened(early=DOWN)
    held = page.hold("stream")
    assert held.stream_data(len(DOWN)) == DOWN
    page.push(UP_BYTES, received=2)
    page.received = 2
    response = page.ask(b"lost?", **query).read_response()

    assert response.status == 409
    assert response.get("Content-Type") == "application/problem+json"
    assert detail in response.json()["detail"]
    assert not held.outcomes, "what waits goes on"
    assert page.push(UP_BYTES).state.received == 2 * len(UP_BYTES)
    assert [frames.read_frame(page.streamlit) for _ in range(2)] == [UP, UP]


# Full


def test_page_that_fetches_nothing(pages: Pages, relay: Relay, rounds: Rounds) -> None:
    """Streamlit has to wait, others don't; and then everything comes."""
    relay.configure(SMALL)
    page = pages.opened(tcp=True)
    other = pages.opened()
    head = b"\x82\x7f" + (1 << 30).to_bytes(8, "big")
    page.streamlit.sock.sendall(head)
    sent = len(head) + send_until_it_blocks(page.streamlit.sock, 1 << 26, relay.loop)
    assert sent < 1 << 22
    rounds.check_idle(relay.loop)
    (tunnel,) = (entry.tunnel for entry in pages.tunnels._entries.values() if entry.tunnel.kept)
    assert tunnel.kept <= 1 << 16

    say(other, relay)
    assert other.exchange().data == DOWN
    size = 0
    while size < sent:
        size += len(page.exchange(wait=20.0).data)
    assert size == sent
    page.exchange()
    assert tunnel.kept == 0


def test_streamlit_that_reads_nothing(pages: Pages, relay: Relay, rounds: Rounds) -> None:
    """The page has to wait, others don't; and then everything comes."""
    relay.configure(SMALL)
    page, other = pages.opened(tcp=True), pages.opened()
    frame = frames.binary(bytes(range(256)) * 8000)
    data = frame.encode(MASK)
    while True:
        piece = data[page.sent : page.sent + (1 << 18)]
        before = page.sent
        answer = page.push(piece)
        catch_up(relay.loop)
        if answer.state.received == before:
            break
    assert page.sent < len(data)
    rounds.check_idle(relay.loop)
    assert other.push(UP_BYTES).state.received == len(UP_BYTES)
    assert frames.read_frame(other.streamlit) == UP

    got = b""
    while len(got) < len(data):
        if page.sent < len(data):
            page.push(data[page.sent : page.sent + (1 << 18)])
        got += next(page.streamlit.pieces(1 << 18))
    assert got == data


def test_stream_goes_on_as_it_is_acknowledged(pages: Pages, relay: Relay) -> None:
    """However little the tunnel may keep."""
    relay.configure(SMALL)
    data = frames.binary(bytes(range(256)) * 1500).encode()
    page = pages.opened(early=data[:1000])
    stream = page.hold("stream")
    page.streamlit.sock.setblocking(False)
    at = 1000
    while len(stream.records.data) < len(data):
        if at < len(data):
            at += page.streamlit.sock.send(data[at : at + 10_000])
        assert stream.stream()
        page.push(b"", received=len(stream.records.data))

    assert stream.records.data == data


# Pings


@pytest.mark.parametrize("mode", HELD)
def test_pings_are_answered_for_the_page(pages: Pages, relay: Relay, mode: str) -> None:
    page = pages.opened()
    call = page.hold(mode)
    say(page, relay, Frame(0x89, b"?").encode() + DOWN)

    assert frames.read_frame(page.streamlit) == Frame(0x8A, b"?", masked=True)
    assert data_of(call, mode) == DOWN


def test_pings_are_answered_while_the_window_is_full(pages: Pages, relay: Relay) -> None:
    """Not those that wait behind it, though: Streamlit sees that the page is gone."""
    page = pages.opened()
    say(page, relay, frames.binary(bytes(200)).encode() + Frame(0x89, b"?").encode())

    assert frames.read_frame(page.streamlit) == Frame(0x8A, b"?", masked=True)


# The end


@pytest.mark.parametrize("mode", MODES)
def test_streamlit_closes(pages: Pages, relay: Relay, rounds: Rounds, mode: str) -> None:
    """The page gets what was said last, says that it has it, and the tunnel is gone."""
    page = pages.opened()
    call = page.hold(mode) if mode in HELD else None
    say(page, relay, DOWN + frames.close(1000, "bye").encode())
    last = DOWN + frames.close(1000, "bye").encode()
    if call is None:
        assert page.exchange(mode=mode).data == last
    elif mode == "stream":
        assert call.stream_data(len(last)) == last
        page.received = len(last)
    else:
        assert call.answer().data == last
        page.received = len(last)
    page.push(frames.close(1000).encode(MASK))
    assert close_of(page.streamlit) == (1000, "")
    page.streamlit.sock.close()

    if mode == "stream":
        while call is not None and call.stream():
            pass
    eventually(lambda: page.ask(wait=20.0, mode=mode).read_response().status == 404)
    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("mode", HELD)
def test_streamlit_is_gone(pages: Pages, relay: Relay, rounds: Rounds, mode: str) -> None:
    """The relay says so in its place; what waits for news is answered."""
    page = pages.opened()
    call = page.hold(mode)
    page.streamlit.sock.close()
    expected = frames.close(closecodes.SERVICE_RESTART).encode()
    if mode == "stream":
        while call.stream():
            pass
        got = call.records.data
    else:
        got = call.answer().data

    assert got == expected
    page.received = len(got)
    assert page.push(b"").status == 200
    eventually(lambda: page.push(b"").status == 404)
    check_nothing_is_left(pages, rounds)


def test_page_closes(pages: Pages, relay: Relay, rounds: Rounds) -> None:
    page = pages.opened()
    page.push(frames.close(1000).encode(MASK))
    assert close_of(page.streamlit) == (1000, "")
    page.streamlit.sock.sendall(frames.close(1000).encode())
    page.streamlit.sock.close()

    assert page.exchange(wait=20.0).data == frames.close(1000).encode()
    page.push(b"")
    eventually(lambda: page.push(b"").status == 404)
    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("mode", HELD)
def test_page_goes_away(pages: Pages, relay: Relay, rounds: Rounds, mode: str) -> None:
    """Streamlit hears it; nobody gets anything from the tunnel any more."""
    page = pages.opened(early=DOWN)
    page.received = len(DOWN)
    eventually(lambda: page.push(b"").status == 200)
    call = page.hold(mode)
    assert page.leave().status == 200
    assert close_of(page.streamlit) == (closecodes.GOING_AWAY, "")
    if mode == "stream":
        while call.stream():
            pass
    else:
        assert call.answer().data == b""
    assert page.push(UP_BYTES).status == 404
    assert page.leave().status == 404
    send_until_it_blocks(page.streamlit.sock, 1 << 22, relay.loop)
    page.streamlit.sock.close()

    check_nothing_is_left(pages, rounds)


def test_page_goes_away_while_much_waits_for_it(pages: Pages, relay: Relay, rounds: Rounds) -> None:
    """Streamlit need not wait any more, and can say its last word."""
    relay.configure(SMALL)
    page = pages.opened(tcp=True)
    size = 1 << 22
    page.streamlit.sock.sendall(b"\x82\x7f" + size.to_bytes(8, "big"))
    sent = send_until_it_blocks(page.streamlit.sock, size, relay.loop)
    assert sent < size
    page.leave()
    page.streamlit.sock.sendall(bytes(size - sent) + frames.close(1001).encode())
    assert close_of(page.streamlit) == (closecodes.GOING_AWAY, "")
    page.streamlit.sock.close()

    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("goes", [True, False], ids=["says so", "silently"])
def test_page_goes_away_within_a_frame(
    pages: Pages, relay: Relay, rounds: Rounds, clock: Clock, goes: bool
) -> None:
    """There's no place for a close frame."""
    page = pages.opened()
    page.push(UP_BYTES[:-1])
    if goes:
        page.leave()
    else:
        clock.advance(120, relay.loop)
    clock.advance(9, relay.loop)
    assert page.streamlit.read(len(UP_BYTES) - 1) == UP_BYTES[:-1]
    assert not is_readable(page.streamlit.sock)
    clock.advance(1, relay.loop)

    assert not pages.tunnels.counts()
    assert not page.streamlit.fill()
    page.streamlit.sock.close()
    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("heard", [False, True], ids=["never heard", "heard"])
def test_silent_page(pages: Pages, relay: Relay, rounds: Rounds, clock: Clock, heard: bool) -> None:
    page = pages.opened()
    patience = 15.0
    if heard:
        clock.advance(14, relay.loop)
        page.push(b"")
        patience = 120.0
    clock.advance(patience - 1, relay.loop)
    assert not is_readable(page.streamlit.sock)
    clock.advance(1, relay.loop)
    assert close_of(page.streamlit) == (closecodes.GOING_AWAY, "")
    assert page.push(b"").status == 404
    page.streamlit.sock.close()

    check_nothing_is_left(pages, rounds)


def test_tunnel_timeout_is_a_setting(pages: Pages, relay: Relay, clock: Clock) -> None:
    relay.configure(Limits(tunnel_timeout=5.0))
    page = pages.opened()
    clock.advance(4, relay.loop)
    page.push(b"")
    clock.advance(4, relay.loop)
    assert not is_readable(page.streamlit.sock)
    clock.advance(1, relay.loop)

    assert close_of(page.streamlit) == (closecodes.GOING_AWAY, "")


@pytest.mark.parametrize("close", [True, False], ids=["Streamlit closes", "and doesn't"])
def test_silent_page_of_a_silent_streamlit(
    pages: Pages, relay: Relay, rounds: Rounds, clock: Clock, close: bool
) -> None:
    page = pages.opened()
    page.leave()
    if close:
        page.streamlit.sock.close()
    else:
        clock.advance(Limits().close_timeout, relay.loop)

    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("heard", [False, True], ids=["silent", "heard"])
def test_last_words_that_nobody_fetches(
    pages: Pages, relay: Relay, rounds: Rounds, clock: Clock, heard: bool
) -> None:
    """A page that was heard has all the time that others have."""
    page = pages.opened()
    page.push(b"")
    say(page, relay, DOWN)
    page.streamlit.sock.close()
    (tunnel,) = (entry.tunnel for entry in pages.tunnels._entries.values())
    eventually(lambda: tunnel._end.is_over)
    clock.advance(9, relay.loop)
    if heard:
        assert page.push(b"").status == 200
        clock.advance(119, relay.loop)
    assert pages.tunnels.counts()
    clock.advance(1, relay.loop)

    assert not pages.tunnels.counts()
    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("mode", MODES)
def test_last_words_that_are_fetched_later(
    pages: Pages, relay: Relay, rounds: Rounds, mode: str
) -> None:
    """No response waits for more then."""
    page = pages.opened()
    say(page, relay, DOWN)
    page.streamlit.sock.close()
    (tunnel,) = (entry.tunnel for entry in pages.tunnels._entries.values())
    eventually(lambda: tunnel._end.is_over)
    expected = DOWN + frames.close(closecodes.SERVICE_RESTART).encode()
    call = page.ask(wait=20.0, mode=mode)
    if mode == "stream":
        while call.stream():
            pass
        assert call.records.data == expected
    else:
        assert call.answer().data == expected
    assert page.push(b"", received=len(expected)).status == 200

    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("mode", HELD)
def test_old_tunnel(pages: Pages, relay: Relay, rounds: Rounds, clock: Clock, mode: str) -> None:
    relay.configure(Limits(max_tunnel_age=60.0))
    page = pages.opened()
    clock.advance(10, relay.loop)
    page.push(b"")
    clock.advance(49, relay.loop)
    call = page.hold(mode)
    assert not is_readable(page.streamlit.sock)
    clock.advance(1, relay.loop)
    close = frames.close(closecodes.TRY_AGAIN_LATER, "gateway_tunnel_max_age_s")
    size = len(close.encode())
    got = call.stream_data(size) if mode == "stream" else call.answer().data
    assert got == close.encode()
    page.received = len(got)
    assert close_of(page.streamlit) == (close.close_code, close.close_reason)
    page.push(frames.close(1013).encode(MASK))
    page.streamlit.sock.close()

    eventually(lambda: page.push(b"").status == 404)
    check_nothing_is_left(pages, rounds)


def test_old_tunnel_that_is_over_already(
    pages: Pages, relay: Relay, rounds: Rounds, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its WebSocket was dropped, and only the page doesn't know yet."""
    relay.configure(Limits(max_tunnel_age=12.0, close_timeout=1.0))
    page = pages.opened()
    page.push(b"")
    say(page, relay, DOWN + frames.close(1000).encode())
    clock.advance(2, relay.loop)
    eventually(lambda: not relay.counts())
    page.push(b"")
    clock.advance(10, relay.loop)

    assert page.exchange().data == DOWN + frames.close(1000).encode()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_illegal_page(pages: Pages, relay: Relay, rounds: Rounds) -> None:
    """What holds for WebSockets holds for tunnels."""
    relay.configure(Limits(max_message=1))
    page = pages.opened()
    page.push(UP_BYTES)
    assert close_of(page.streamlit) == (closecodes.MESSAGE_TOO_BIG, "message over 1 bytes")
    page.streamlit.sock.sendall(frames.close(1009).encode())
    page.streamlit.sock.close()

    assert page.exchange(wait=20.0).data == frames.close(1009).encode()
    assert page.push(UP_BYTES).status in (200, 404)
    eventually(lambda: page.push(b"").status == 404)
    check_nothing_is_left(pages, rounds)


@pytest.mark.parametrize("mode", MODES)
def test_stop(pages: Pages, relay: Relay, mode: str) -> None:
    """Nothing is left open; the leak detector would see it."""
    page = pages.opened(early=DOWN)
    page.received = len(DOWN)
    call = page.hold(mode) if mode in HELD else page.ask(mode=mode)
    relay.stop()

    assert not relay.loop.tasks
    assert call.caller.sock.fileno() < 0
    assert not pages.tunnels.counts()
    assert len(call.outcomes) == 1


def test_trouble(
    pages: Pages, relay: Relay, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug ends one tunnel, and not the others."""
    page, other = pages.opened(), pages.opened()
    call = page.hold("stream")
    (tunnel, _) = (entry.tunnel for entry in pages.tunnels._entries.values())
    monkeypatch.setattr(tunnel, "take", lambda data: 1 / 0)
    page.streamlit.sock.sendall(DOWN)
    eventually(lambda: call.outcomes)
    assert call.outcomes[0][2] == "internal error"
    say(other, relay)

    assert other.exchange().data == DOWN
    assert page.push(b"").status == 404
    other.leave()
    other.streamlit.sock.close()
    page.streamlit.sock.close()
    check_nothing_is_left(pages, rounds)


def test_log(pages: Pages, relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    """A tunnel has two lines, however often its page changes the way."""
    caplog.set_level("INFO", "fluxsync")
    page = pages.opened(transport="stream", reason="websocket-silent")
    for mode in ("stream", "stream", "long-poll"):
        page.exchange(mode=mode)
    page.push(b"", mode="short-poll")

    page.leave()
    assert close_of(page.streamlit) == (closecodes.GOING_AWAY, "")
    page.streamlit.sock.sendall(frames.close(closecodes.GOING_AWAY).encode())
    page.streamlit.sock.close()
    eventually(lambda: not relay.counts())

    opened, closed = caplog.records
    assert (opened.getMessage(), closed.getMessage()) == ("tunnel opened", "tunnel closed")
    assert {opened.name, closed.name} == {"fluxsync.tunnel"}
    facts = {"request_id": "some-id", "replica": "r1", "path": "/_stcore/stream"}
    assert facts.items() <= vars(opened).items()
    assert (vars(opened)["transport"], vars(opened)["reason"]) == ("stream", "websocket-silent")
    ended = {**facts, "transport": "long-poll", "code": 1001, "closed_by": "client"}
    assert ended.items() <= vars(closed).items()
    assert vars(closed)["duration_seconds"] > 0
