from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from fluxsync.process.secrets import Secrets
from fluxsync.process.spec import Spec
from fluxsync.process.state import StateDirectory
from fluxsync.sansio.identity import streamlit_names

SPEC = Spec(name="app:app", directory="/srv", environment={"PATH": "/bin"})
HEADERS = "STREAMLIT_SERVER_TRUSTED_USER_HEADERS"


def test_of_cookies(tmp_path: Path) -> None:
    """One for all replicas and restarts, and another one for each supervisor."""
    state = StateDirectory(tmp_path, "a")
    secrets = Secrets()
    first, second = (secrets.environment(SPEC, state) for _ in range(2))

    assert first == second
    assert first["PATH"] == "/bin"
    assert len(first["STREAMLIT_SERVER_COOKIE_SECRET"]) == 64
    assert first != Secrets().environment(SPEC, state)


def test_of_users(tmp_path: Path) -> None:
    """Workers know the names that Streamlit believes, and nobody can guess them."""
    state = StateDirectory(tmp_path, "a")
    telling = dataclasses.replace(SPEC, tells_users=True)
    secrets = Secrets()
    secret = secrets.of_users(telling)

    assert json.loads(secrets.environment(telling, state)[HEADERS]) == streamlit_names(secret)
    assert len(secret) == 32
    assert secret != Secrets().of_users(telling)
    assert secrets.of_users(SPEC) == ""
    assert HEADERS not in secrets.environment(SPEC, state)


def test_calls(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, "a")
    spec = dataclasses.replace(SPEC, calls_variable="CALLS")

    assert Secrets().environment(spec, state)["CALLS"] == str(state.calls)
