"""What a page sees of its WebSocket, which is the same on every transport."""

from __future__ import annotations

import pytest

from tests.conftest import Shared
from tests.support.waiting import eventually

from .conftest import ScriptPage

pytestmark = [pytest.mark.browser, pytest.mark.live_server]

TRANSPORTS = ("websocket", "stream", "long-poll", "short-poll")


@pytest.fixture(params=TRANSPORTS)
def started(script_page: ScriptPage, request: pytest.FixtureRequest) -> ScriptPage:
    """The page with its script; a native WebSocket is that of the automatic choice."""
    script_page.start("auto" if request.param == "websocket" else request.param)
    return script_page


def test_life(started: ScriptPage) -> None:
    found = started.run("""
      const socket = connect();
      const found = [[socket.readyState, socket.url, socket.binaryType]];
      const numbers = await socket.opened().then(() => socket.echo(5));
      found.push([socket.readyState, socket.protocol, socket.extensions, ...numbers]);
      socket.close(3001, "bye");
      found.push([socket.readyState]);
      await socket.closed();
      return [...found, [socket.readyState, socket.bufferedAmount], socket.events];
    """)

    url = started.gateway.url("/_stcore/stream").replace("http", "ws")
    assert found[0] == [0, url, "arraybuffer"]
    assert found[1] == [1, "streamlit", "", 0, 1, 2, 3, 4]
    assert found[2:4] == [[2], [3, 0]]
    assert found[4] == ["open", *["message"] * 5, ["close", 3001, "bye", True]]


def test_instance_of_websocket(started: ScriptPage) -> None:
    assert started.run("""
      const socket = connect();
      const { CONNECTING, OPEN, CLOSING, CLOSED } = socket;
      const found = [socket instanceof WebSocket, socket instanceof EventTarget];
      socket.close();
      await socket.closed();
      return [...found, CONNECTING, OPEN, CLOSING, CLOSED, WebSocket.CLOSED];
    """) == [True, True, 0, 1, 2, 3, 3]


def test_everything_can_be_sent_in_order(started: ScriptPage) -> None:
    found = started.run("""
      const socket = await connect().opened();
      const bytes = Uint8Array.of(1, 2, 3, 4);
      socket.send("\\uFEFFgrün");
      socket.send(new Blob([bytes]));
      socket.send(bytes.buffer);
      socket.send(bytes.subarray(1, 3));
      bytes.fill(9);
      socket.send(new DataView(Uint8Array.of(5).buffer));
      socket.send(new Blob([]));
      socket.send(17);
      await socket.count(7);
      return socket.received.map(
        (data) => (typeof data === "string" ? data : Array.from(new Uint8Array(data))),
      );
    """)

    assert found == ["\ufeffgrün", [1, 2, 3, 4], [1, 2, 3, 4], [2, 3], [5], [], "17"]


def test_blobs(started: ScriptPage) -> None:
    assert started.run("""
      const socket = await connect().opened();
      socket.binaryType = "nonsense";
      const before = socket.binaryType;
      socket.binaryType = "blob";
      socket.send(Uint8Array.of(65));
      await socket.count(1);
      return [before, await socket.received[0].text()];
    """) == ["arraybuffer", "A"]


def test_handlers(started: ScriptPage) -> None:
    assert started.run("""
      const found = [];
      const socket = connect();
      const note = (name) => (event) => found.push(`${name} ${event.type}`);
      found.push(socket.onmessage);
      socket.onmessage = note("never");
      socket.addEventListener("message", note("second"), { once: true });
      socket.onmessage = note("first");
      socket.onopen = note("on");
      socket.onclose = note("on");
      socket.onerror = "no function";
      await socket.opened();
      await socket.echo(1);
      socket.onmessage = null;
      await socket.echo(1);
      socket.close();
      await socket.closed();
      return [...found, socket.onerror, socket.onmessage];
    """) == [None, "on open", "first message", "second message", "on close", None, None]


@pytest.mark.parametrize(
    ("close", "event"),
    [
        ("close 1000 done", [1000, "done", True]),
        ("close 4321", [4321, "", True]),
        ("close", [1005, "", True]),
    ],
)
def test_streamlit_closes(started: ScriptPage, close: str, event: list[object]) -> None:
    assert started.run(
        """
      const socket = await connect().opened();
      socket.send(argument);
      await socket.closed();
      return socket.events;
    """,
        close,
    ) == ["open", ["close", *event]]


def test_streamlit_is_gone(started: ScriptPage) -> None:
    events = started.run("""
      const socket = await connect().opened();
      socket.send("abort");
      await socket.closed();
      return socket.events;
    """)

    # The gateway says it in place of Streamlit.
    assert events == ["open", ["close", 1012, "", True]]


def test_close_without_code(started: ScriptPage, shared: Shared) -> None:
    assert started.run("""
      const socket = await connect().opened();
      socket.send("last words");
      socket.close();
      socket.close();
      socket.send("too late");
      const amount = socket.bufferedAmount;
      await socket.closed();
      return [amount >= 8, socket.bufferedAmount, ...socket.events.at(-1)];
    """) == [True, 8, "close", 1005, "", True]
    last = shared.upstream.websockets[-1]
    eventually(lambda: last.close_code == 1005, 10, lambda: "close frame")
    assert [frame.payload for frame in last.frames if frame.opcode == 1] == [b"last words"]


def test_close_while_connecting(started: ScriptPage) -> None:
    assert started.run("""
      const socket = connect();
      socket.close();
      const state = socket.readyState;
      await socket.closed();
      return [state, socket.events];
    """) == [2, ["error", ["close", 1006, "", False]]]


def test_bad_arguments(started: ScriptPage) -> None:
    assert started.run("""
      const attempt = (act) => {
        try {
          act();
          return "fine";
        } catch (error) {
          return error.name;
        }
      };
      const socket = connect();
      const found = [attempt(() => socket.send("too early"))];
      await socket.opened();
      return [
        ...found,
        attempt(() => socket.close(1001)),
        attempt(() => socket.close(2999)),
        attempt(() => socket.close(5000)),
        attempt(() => socket.close(1000, "x".repeat(124))),
        attempt(() => connect(["a", "a"])),
        attempt(() => connect(["no token"])),
        attempt(() => socket.close(1000, "x".repeat(123))),
      ];
    """) == [
        "InvalidStateError",
        *["InvalidAccessError"] * 3,
        *["SyntaxError"] * 3,
        "fine",
    ]


def test_several_at_once(started: ScriptPage) -> None:
    assert started.run("""
      const sockets = [await connect().opened(), connect(), connect()];
      await Promise.all(sockets.map((socket) => socket.opened()));
      const echoes = sockets.map((socket, number) => socket.echo(5, number * 10));
      return Promise.all(echoes);
    """) == [[start, start + 1, start + 2, start + 3, start + 4] for start in (0, 10, 20)]


def test_large_messages(started: ScriptPage) -> None:
    found = started.run("""
      const socket = await connect().opened();
      const sum = (data) => new Uint32Array(data).reduce((sum, value) => (sum + value) >>> 0, 0);
      const large = new Uint32Array(5_000_000).map((_, at) => at * 7);
      socket.send(large);
      await socket.count(1);
      socket.send("push 1 50000000");
      await socket.count(2);
      const [up, down] = socket.received;
      return [sum(up) === sum(large.buffer), up.byteLength, down.byteLength];
    """)

    assert found == [True, 20_000_000, 50_000_000]


def test_many_messages_keep_their_order(started: ScriptPage) -> None:
    assert started.run("""
      const socket = await connect().opened();
      for (let number = 0; number < 3000; number++) {
        socket.send(Uint32Array.of(number));
      }
      await socket.count(3000);
      return socket.numbers().every((number, at) => number === at);
    """)
