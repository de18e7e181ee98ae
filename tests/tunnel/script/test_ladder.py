"""Which transport the page's script chooses, why, and what it remembers."""

from __future__ import annotations

import typing as t

import pytest

from .conftest import ScriptPage

pytestmark = [pytest.mark.browser, pytest.mark.live_server]

STORED = "fluxsync.transport"

COLLECTED = "return doIt().then(collect);"
SERIAL = """
  const answer = (window.queue ?? Promise.resolve()).then(doIt);
  window.queue = answer.then((response) => response.clone().arrayBuffer()).catch(() => {});
  return answer;
"""
SERIAL_COLLECTED = SERIAL.replace("then(doIt)", "then(doIt).then(collect)")
NO_HOLD = """
  if (request.verb === "probe") {
    const state = new TextEncoder().encode("0 0 0 no-hold");
    return Promise.resolve(new Response(Uint8Array.of(0, 0, 0, state.length, ...state)));
  }
  return null;
"""
DEAF = "return request.isAck ? silence(signal) : null;"


def connect(page: ScriptPage) -> list[t.Any]:
    """Have a page connect and exchange messages; return what happened."""
    return list(
        page.run("""
      const socket = await connect().opened();
      if (socket.readyState === 1) {
        await socket.echo(3);
      }
      return socket.events;
    """)
    )


WORKS = ["open", *["message"] * 3]
FAILS = ["error", ["close", 1006, "", False]]


def test_websocket(script_page: ScriptPage) -> None:
    script_page.start()

    assert connect(script_page) == WORKS
    assert script_page.used == ("websocket", "")
    assert script_page.run("return network.requests.length") == 0
    assert script_page.messages == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("refused", "websocket-refused"),
        ("hanging", "websocket-timeout"),
        ("silent", "websocket-silent"),
    ],
)
def test_no_websocket(script_page: ScriptPage, how: str, reason: str) -> None:
    script_page.run("refuse(argument)", how)
    script_page.start()

    assert connect(script_page) == WORKS
    assert script_page.used == ("stream", reason)
    said = [message for message in script_page.messages if "fluxsync" in message]
    assert [m for m in said if "stream" in m and reason in m] == [
        f"fluxsync: messages travel by stream ({reason})"
    ]


@pytest.mark.parametrize(
    ("meddle", "transport", "word"),
    [
        pytest.param(COLLECTED, "long-poll", "buffered", id="collected"),
        pytest.param(SERIAL, "short-poll", "serial", id="serial"),
        pytest.param(SERIAL_COLLECTED, "short-poll", "serial", id="serial and collected"),
        pytest.param(NO_HOLD, "short-poll", "no-hold", id="no-hold"),
        pytest.param(DEAF, "short-poll", "serial", id="second request never answered"),
    ],
)
def test_probe(script_page: ScriptPage, meddle: str, transport: str, word: str) -> None:
    script_page.run('refuse("refused")')
    script_page.run(f"network.meddle = (request, doIt, signal) => {{ {meddle} }}")
    script_page.start()

    assert connect(script_page) == WORKS
    assert script_page.used == (transport, f"websocket-refused+{word}")
    # It's the probe that has found it out.
    modes = script_page.run("return network.requests.map(({ mode }) => mode).filter(Boolean)")
    assert set(modes) == {transport}


@pytest.mark.parametrize("transport", ["stream", "long-poll", "short-poll"])
def test_pinned(script_page: ScriptPage, transport: str) -> None:
    script_page.start(transport)

    assert connect(script_page) == WORKS
    assert script_page.used == (transport, "pinned")
    assert script_page.run("return network.count(({ verb }) => verb === 'probe')") == 0
    assert script_page.run("return network.requests.at(-1).mode") == transport
    assert script_page.run("return sessionStorage.length") == 0


def test_pinned_websocket(script_page: ScriptPage) -> None:
    script_page.run("window.before = WebSocket")
    script_page.start("websocket")

    assert script_page.run("return WebSocket === window.before")


def test_host_without_waiting(script_page: ScriptPage) -> None:
    script_page.start("stream")
    script_page.run("""
      network.meddle = (request, doIt) => request.verb === "open" ? doIt().then(
        async (response) => {
          const opened = await response.json();
          return new Response(JSON.stringify({ ...opened, hold: false }));
        },
      ) : null;
    """)

    assert connect(script_page) == WORKS
    assert script_page.used == ("short-poll", "pinned+no-hold")


@pytest.mark.parametrize(
    "answer",
    [
        'Promise.reject(new TypeError("no"))',
        'Promise.resolve(new Response("<html>Log in</html>"))',
        'Promise.resolve(new Response("<html>Bad gateway</html>", { status: 502 }))',
        'Promise.resolve(new Response("<html>Not found</html>", { status: 404 }))',
    ],
)
@pytest.mark.parametrize("verb", ["probe", "open"])
def test_nothing_there(script_page: ScriptPage, verb: str, answer: str) -> None:
    script_page.run('refuse("refused")')
    script_page.run(f'network.meddle = ({{ verb }}) => verb === "{verb}" ? {answer} : null;')
    script_page.start()

    assert connect(script_page) == FAILS
    assert script_page.run("return sessionStorage.length") == 0


def test_lost_probe_and_opening_are_repeated(script_page: ScriptPage) -> None:
    script_page.run("""
      refuse("refused");
      const seen = new Set();
      network.meddle = ({ verb }) => {
        const isFirst = !seen.has(verb);
        seen.add(verb);
        return isFirst ? Promise.reject(new TypeError("no")) : null;
      };
    """)
    script_page.start()

    assert connect(script_page) == WORKS
    assert script_page.used == ("stream", "websocket-refused")


def test_refusal_of_streamlits(script_page: ScriptPage) -> None:
    script_page.start("long-poll")
    script_page.run("""
      network.meddle = ({ verb }) => verb === "open"
        ? Promise.resolve(new Response('{"title": "Forbidden"}', {
          status: 403,
          headers: { "Content-Type": "application/problem+json", "X-Fluxsync-Tunnel": "1" },
        })) : null;
    """)

    assert connect(script_page) == FAILS
    assert script_page.run("return network.requests.length") == 1


def test_fall_back_is_remembered(script_page: ScriptPage) -> None:
    script_page.run('refuse("refused")')
    script_page.start()
    connect(script_page)
    until = script_page.run(f'return JSON.parse(sessionStorage.getItem("{STORED}")).until')

    script_page.visit()
    script_page.run('refuse("refused")')
    script_page.start()

    assert connect(script_page) == WORKS
    assert script_page.used == ("stream", "websocket-refused")
    assert script_page.run("return window.natives.length") == 0
    assert script_page.run("return network.count(({ verb }) => verb === 'probe')") == 0
    # It isn't remembered any longer for being used.
    stored = script_page.run(f'return JSON.parse(sessionStorage.getItem("{STORED}"))')
    assert stored == {"transport": "stream", "reason": "websocket-refused", "until": until}


def test_fall_back_is_forgotten(script_page: ScriptPage) -> None:
    script_page.run(
        "sessionStorage.setItem(argument, JSON.stringify("
        '{ transport: "long-poll", reason: "websocket-refused", until: Date.now() - 1 }))',
        STORED,
    )
    script_page.start()

    assert connect(script_page) == WORKS
    assert script_page.used == ("websocket", "")


@pytest.mark.parametrize(
    "stored",
    ["nonsense", "null", "17", '{"transport": "pigeon", "until": 9e15}', '{"transport": 1}'],
)
def test_nonsense_in_storage(script_page: ScriptPage, stored: str) -> None:
    script_page.run(f'sessionStorage.setItem("{STORED}", argument)', stored)
    script_page.start()

    assert connect(script_page) == WORKS
    assert script_page.used == ("websocket", "")


def test_forbidden_storage(script_page: ScriptPage) -> None:
    script_page.run("""
      Object.defineProperty(window, "sessionStorage", {
        get() {
          throw new DOMException("no", "SecurityError");
        },
      });
      refuse("refused");
    """)
    script_page.start()

    assert connect(script_page) == WORKS
    assert connect(script_page) == WORKS
    # This page's memory knows better than to ask for a WebSocket twice.
    assert script_page.run("return window.natives.length") == 1


def test_websocket_that_worked_before(script_page: ScriptPage) -> None:
    script_page.start()
    assert connect(script_page) == WORKS

    script_page.visit()
    script_page.run('refuse("refused")')
    script_page.start()

    # The gateway may have gone for a moment: Streamlit's page tries again by itself.
    assert connect(script_page) == FAILS
    assert script_page.run("return network.requests.length") == 0
    assert connect(script_page) == WORKS
    assert script_page.used == ("stream", "websocket-refused")
