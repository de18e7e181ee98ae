from __future__ import annotations

import threading

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.sessions import context
from fluxsync.sessions.context import SessionContext, using

SHOP = SessionContext("shop", "the secret")


def test_settings() -> None:
    assert SessionContext.of(FluxSyncSettings()) == SessionContext()
    settings = FluxSyncSettings(
        url_session_query_param="s",
        session_secret="0123456789abcdef",
        disable_url_session=True,
    )
    assert SessionContext.of(settings) == SessionContext("s", "0123456789abcdef", False)


def test_running_page() -> None:
    with using(SessionContext("outer")):
        with using(SHOP):
            assert context.current() == SHOP
        assert context.current().param == "outer"


def test_error_in_a_page() -> None:
    with using(SessionContext("outer")):
        with pytest.raises(LookupError), using(SHOP):
            raise LookupError
        assert context.current().param == "outer"


def test_callbacks_and_fragments() -> None:
    """Streamlit calls them when no page is running, and threads have no context of their own."""
    found = []
    with using(SHOP):
        thread = threading.Thread(target=lambda: found.append(context.current()))
        thread.start()
        thread.join()
    assert found == [SHOP]


def test_secret_is_not_shown() -> None:
    assert "the secret" not in repr(SHOP)
