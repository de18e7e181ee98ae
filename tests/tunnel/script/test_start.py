"""What the page's script does to a page: where it is mounted, and which WebSockets it takes."""

from __future__ import annotations

import pytest

from .conftest import ScriptPage

pytestmark = [pytest.mark.browser, pytest.mark.live_server]


def mount(page: ScriptPage, pathname: str, path: str) -> str | None:
    """Return Streamlit's base as the script sets it."""
    page.page.evaluate("(path) => history.replaceState(null, '', path)", pathname)
    page.start("websocket", path)
    base = page.run("return window.__streamlit?.BACKEND_BASE_URL ?? null")
    return None if base is None else str(base).removeprefix(page.run("return location.origin"))


@pytest.mark.parametrize(
    ("pathname", "path", "base"),
    [
        ("/", "/", "/"),
        ("/page", "/page", "/"),
        ("/mount/", "/", "/mount/"),
        ("/mount/page", "/page", "/mount/"),
        ("/s/a%20b/p/def/", "/", "/s/a%20b/p/def/"),
        ("/s/a%20b/p/def/page", "/page", "/s/a%20b/p/def/"),
        ("/mount/my%20page", "/my%20page", "/mount/"),
        ("/mount/my%20page", "/my page", "/mount/"),
        ("/mount/%C3%A9t%C3%A9", "/été", "/mount/"),
        ("/mount/%e9", "/%e9", "/mount/"),
        # Not where the gateway was asked for.
        ("/mount", "/", None),
        ("/other", "/page", None),
        ("/mypage", "/page", None),
        ("/page", "/mount/page", None),
        ("/page", "", None),
        ("/mount/my%20page", "/my%2520page", None),
    ],
)
def test_mount(script_page: ScriptPage, pathname: str, path: str, base: str | None) -> None:
    assert mount(script_page, pathname, path) == base


def test_base_that_is_set_already(script_page: ScriptPage) -> None:
    script_page.run("""
      window.__streamlit = { BACKEND_BASE_URL: "https://elsewhere/", LIGHT_THEME: 1 };
    """)
    script_page.start()

    assert script_page.run("return window.__streamlit") == {
        "BACKEND_BASE_URL": "https://elsewhere/",
        "LIGHT_THEME": 1,
    }


def test_other_settings_of_streamlits_stay(script_page: ScriptPage) -> None:
    script_page.run("window.__streamlit = { LIGHT_THEME: 1 };")
    script_page.start()

    assert script_page.run("return Object.keys(window.__streamlit)") == [
        "LIGHT_THEME",
        "BACKEND_BASE_URL",
    ]


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("ws://HOST/_stcore/stream", True),
        ("http://HOST/_stcore/stream", True),
        ("/mount/_stcore/stream", True),
        ("ws://HOST/other", False),
        ("ws://HOST/_stcore/stream/more", False),
        ("ws://HOST/_stcore/stream?query", False),
        ("wss://HOST/_stcore/stream", False),
        ("ws://127.0.0.1:9/_stcore/stream", False),
    ],
)
def test_which_websockets(script_page: ScriptPage, url: str, is_taken: bool) -> None:
    script_page.start("short-poll")

    assert (
        script_page.run(
            """
      const socket = new WebSocket(argument.replace("HOST", location.host));
      const name = Object.prototype.toString.call(socket);
      const found = Object.hasOwn(WebSocket.prototype, "url")
        && Object.getPrototypeOf(socket) !== WebSocket.prototype;
      socket.close();
      return found && name === "[object WebSocket]";
    """,
            url,
        )
        is is_taken
    )


def test_native_class_stays_what_it_is(script_page: ScriptPage) -> None:
    script_page.start()

    assert script_page.run("""
      const attempt = (act) => {
        try {
          return act();
        } catch (error) {
          return error.name;
        }
      };
      const other = new WebSocket("ws://127.0.0.1:9/");
      class Own extends WebSocket {}
      const own = new Own("ws://127.0.0.1:9/");
      const found = [
        WebSocket.CONNECTING, WebSocket.CLOSED, WebSocket.name, WebSocket.length,
        other instanceof WebSocket, own instanceof Own, own instanceof WebSocket,
        attempt(() => WebSocket("ws://127.0.0.1:9/")),
        attempt(() => new WebSocket()),
        attempt(() => new WebSocket("http://[")),
      ];
      other.close();
      own.close();
      return found;
    """) == [0, 3, "WebSocket", 1, True, True, True, "TypeError", "TypeError", "SyntaxError"]


def test_names_stay_inside(script_page: ScriptPage) -> None:
    before = set(script_page.run("return Object.keys(window)"))
    script_page.start()
    script_page.run("await (await connect().opened()).echo(1)")

    after = set(script_page.run("return Object.keys(window)"))
    assert after - before == {"__streamlit", "fluxsync"}
    assert script_page.run("return Object.isFrozen(window.fluxsync)")
