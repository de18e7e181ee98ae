"""A tunnel whose requests get lost, cut, held back, or answered by somebody else."""

from __future__ import annotations

import pytest

from tests.conftest import Shared
from tests.support.waiting import eventually

from .conftest import ScriptPage

pytestmark = [pytest.mark.browser, pytest.mark.live_server]

TRANSPORTS = ("stream", "long-poll", "short-poll")

#: What becomes of every third exchange. The numbers differ, so that nothing falls into step.
FAULTS = {
    "lost before it comes": """
      network.meddle = (request, doIt) => (
        fails(request) ? Promise.reject(new TypeError("lost")) : null
      );
    """,
    "response lost": """
      network.meddle = (request, doIt) => (
        fails(request) ? doIt().then(() => { throw new TypeError("lost"); }) : null
      );
    """,
    "answered twice": """
      network.meddle = (request, doIt, signal) => (
        fails(request) && request.wait === 0 ? doIt().then(doIt) : null
      );
    """,
    "cut": """
      network.meddle = (request, doIt) => fails(request) ? doIt().then((response) => {
        let room = 5 + network.requests.length % 60;
        return transform(response, (chunk, controller) => {
          controller.enqueue(chunk.subarray(0, room));
          room -= chunk.length;
          if (room <= 0) {
            controller.error(new TypeError("cut"));
          }
        });
      }) : null;
    """,
    "page of a proxy": """
      network.meddle = (request) => fails(request)
        ? Promise.resolve(new Response("<html>Log in</html>", { status: 200 })) : null;
    """,
    "error of a proxy": """
      network.meddle = (request) => fails(request)
        ? Promise.resolve(new Response("<html>Oops</html>", { status: 404 })) : null;
    """,
    "body too large for a proxy": """
      network.meddle = (request) => request.size > 50000
        ? Promise.resolve(new Response("<html>Oops</html>", { status: 413 })) : null;
    """,
    "in drops": """
      network.meddle = (request, doIt) => request.verb === "exchange" ? doIt().then(
        (response) => transform(response, (chunk, controller) => {
          for (let at = 0; at < Math.min(40, chunk.length); at++) {
            controller.enqueue(chunk.subarray(at, at + 1));
          }
          controller.enqueue(chunk.subarray(40));
        }),
      ) : null;
    """,
}

EXCHANGE_MUCH = """
  let seen = 0;
  const fails = ({ verb }) => verb === "exchange" && ++seen % 3 === 2;
  const socket = await connect().opened();
  FAULT
  const large = new Uint32Array(100_000).map((_, at) => at * 7);
  for (let number = 0; number < 50; number++) {
    socket.send(Uint32Array.of(number));
  }
  socket.send(large);
  socket.send("push 1 1000000");
  for (let number = 50; number < 60; number++) {
    await socket.echo(1, number);
  }
  await socket.count(62);
  socket.close(3000);
  await socket.closed();
  const [echo, pushed] = socket.received.filter((data) => data.byteLength > 4);
  return {
    numbers: socket.received.filter((data) => data.byteLength === 4)
      .map((data) => new Uint32Array(data)[0]),
    echo: new Uint32Array(echo).every((value, at) => value === large[at]),
    pushed: pushed.byteLength,
    end: socket.events.at(-1),
  };
"""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_lost_or_doubled(script_page: ScriptPage, transport: str, fault: str) -> None:
    script_page.start(transport)

    assert script_page.run(EXCHANGE_MUCH.replace("FAULT", fault)) == {
        "numbers": list(range(60)),
        "echo": True,
        "pushed": 1_000_000,
        "end": ["close", 3000, "", True],
    }


def fall(page: ScriptPage, meddle: str) -> tuple[str, str]:
    """Have a page use a stream that its probe found to be good, and return what it uses then."""
    page.run('refuse("refused")')
    page.start("auto")
    page.run(f"network.meddle = (request, doIt, signal) => {{ {meddle} }}")
    numbers = page.run("""
      window.socket = await connect().opened();
      window.first = window.fluxsync.transport;
      return socket.echo(6);
    """)
    assert page.run("return window.first") == "stream"
    assert numbers == [0, 1, 2, 3, 4, 5]
    return page.used


def test_stream_that_is_collected(script_page: ScriptPage) -> None:
    used = fall(
        script_page,
        """return request.mode === "stream" && request.wait ? doIt().then(collect) : null;""",
    )

    assert used == ("long-poll", "websocket-refused+buffered")


def test_one_request_at_a_time(script_page: ScriptPage) -> None:
    used = fall(
        script_page,
        """
          if (request.verb !== "exchange") {
            return null;
          }
          const answer = (window.queue ?? Promise.resolve()).then(doIt);
          window.queue = answer.then((response) => response.clone().arrayBuffer()).catch(() => {});
          return answer;
        """,
    )

    assert used == ("short-poll", "websocket-refused+serial")


def test_streams_that_are_cut(script_page: ScriptPage) -> None:
    used = fall(
        script_page,
        """
          return request.mode === "stream" && request.wait
            ? doIt().then((response) => transform(response, (chunk, controller) => {
              controller.enqueue(chunk.subarray(0, 4 + chunk[3]));
              controller.error(new TypeError("cut"));
            })) : null;
        """,
    )

    assert used == ("long-poll", "websocket-refused+cut")


def test_only_requests_that_wait_get_lost(script_page: ScriptPage) -> None:
    script_page.run("""
      refuse("refused");
      network.meddle = (request) => (
        request.verb === "exchange" && request.wait ? Promise.reject(new TypeError("no")) : null
      );
    """)
    script_page.start("auto")

    numbers = script_page.run("return (await connect().opened()).echo(3)")

    assert numbers == [0, 1, 2]
    assert script_page.used == ("short-poll", "websocket-refused+cut")


def test_pinned_transport_stays(script_page: ScriptPage) -> None:
    script_page.start("stream")
    numbers = script_page.run("""
      let failures = 4;
      network.meddle = (request) => (
        request.verb === "exchange" && request.wait && failures-- > 0
          ? Promise.reject(new TypeError("no")) : null
      );
      return (await connect().opened()).echo(3);
    """)

    assert numbers == [0, 1, 2]
    assert script_page.used == ("stream", "pinned")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_tunnel_that_is_gone(script_page: ScriptPage, transport: str) -> None:
    script_page.start(transport)

    assert script_page.run("""
      const socket = await connect().opened();
      await socket.echo(1);
      const { id } = network.requests.at(-1);
      const headers = { "X-Fluxsync-Tunnel": id };
      await fetch("/__fluxsync/tunnel/close", { method: "POST", headers });
      await socket.closed();
      return socket.events.slice(-2);
    """) == ["error", ["close", 1006, "", False]]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.own_context
def test_nothing_answers_any_more(script_page: ScriptPage, transport: str) -> None:
    script_page.tab.page.clock.install()
    script_page.start(transport)
    script_page.run("""
      window.socket = await connect().opened();
      await socket.echo(1);
      network.meddle = (request, doIt, signal) => silence(signal ?? new AbortController().signal);
      socket.send(Uint32Array.of(1));
    """)

    # The stream that is open says something now and then, so that it must be broken too.
    script_page.tab.context.set_offline(True)
    for _ in range(60):
        script_page.tab.page.clock.run_for(2000)
    events = script_page.run("await socket.closed(); return socket.events.slice(-2)")
    script_page.tab.context.set_offline(False)

    assert events == ["error", ["close", 1006, "", False]]


def test_slow_reader_gets_the_rest_later(script_page: ScriptPage) -> None:
    # The gateway has no room for what it's sent, and says so.
    script_page.start("short-poll")

    assert script_page.run("""
      const socket = await connect().opened();
      let full = 3;
      network.meddle = (request) => {
        if (request.size === 0 || full-- <= 0) {
          return null;
        }
        const state = new TextEncoder().encode("0 0 0");
        const record = Uint8Array.of(0, 0, 0, state.length, ...state);
        return Promise.resolve(new Response(record));
      };
      return socket.echo(2);
    """) == [0, 1]


def test_overtaken_request(script_page: ScriptPage) -> None:
    script_page.start("long-poll")

    assert script_page.run("""
      const socket = await connect().opened();
      let conflicts = 2;
      network.meddle = (request) => (
        request.size && conflicts-- > 0
          ? Promise.resolve(new Response('{"detail": "overtaken"}', {
            status: 409,
            headers: {
              "Content-Type": "application/problem+json",
              "X-Fluxsync-Tunnel": "1",
            },
          })) : null
      );
      return socket.echo(2);
    """) == [0, 1]


def test_stream_is_acknowledged(script_page: ScriptPage) -> None:
    script_page.start("stream")

    # More than the gateway keeps: each acknowledgement makes room for 1 MiB at most.
    assert script_page.run("""
      const socket = await connect().opened();
      socket.send("push 20 1000000");
      await socket.count(20);
      return [
        socket.received.length,
        network.count(({ size, limit }) => size === 0 && limit === 0) >= 19,
      ];
    """) == [20, True]


def test_page_goes_away(script_page: ScriptPage, shared: Shared) -> None:
    script_page.start("stream")
    script_page.run("window.socket = await connect().opened(); await socket.echo(1);")
    upstream = shared.upstream.websockets[-1]

    script_page.visit()

    eventually(lambda: upstream.close_code == 1001, 10, lambda: "Streamlit to be told")


@pytest.mark.own_context
def test_idle_short_polls_get_rare(script_page: ScriptPage) -> None:
    script_page.tab.page.clock.install()
    script_page.start("short-poll")
    script_page.run("window.socket = await connect().opened(); await socket.echo(1);")

    def count_polls(seconds: int) -> int:
        before: int = script_page.run("return network.requests.length")
        for _ in range(seconds * 10):
            script_page.tab.page.clock.run_for(100)
            script_page.tab.page.wait_for_function("network.pending === 0", polling="raf")
        after: int = script_page.run("return network.requests.length")
        return after - before

    # Every 100 ms, 400 ms, and 2 s.
    first, _, last = count_polls(1), count_polls(10), count_polls(6)
    assert first >= 4
    assert last <= 4
    # What is sent doesn't wait for the next one.
    assert script_page.run("return socket.echo(1, 5)") == [5]
