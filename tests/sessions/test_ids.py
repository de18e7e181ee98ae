from __future__ import annotations

import logging
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fluxsync.sessions import ids
from fluxsync.sessions.ids import Signer, random_part, signing_key, stored_key

SIGNER = Signer(b"0123456789abcdef")


def test_signed_id_is_ours() -> None:
    session_id = SIGNER.sign(random_part())

    assert SIGNER.is_signed(session_id)
    assert not Signer(b"another key, as long").is_signed(session_id)
    # The last character has two bits that count for nothing.
    for n, character in enumerate(session_id[:-1]):
        other = "A" if character != "A" else "B"
        assert not SIGNER.is_signed(session_id[:n] + other + session_id[n + 1 :])


@given(some.text())
def test_other_texts_are_not(text: str) -> None:
    assert not SIGNER.is_signed(text)
    assert not SIGNER.is_signed(f"{random_part()}.{text}")


def test_length() -> None:
    assert not SIGNER.is_signed(SIGNER.sign("short"))


def test_stored_key_is_of_the_random_part() -> None:
    random = random_part()

    assert stored_key(random) == stored_key(SIGNER.sign(random)) == stored_key(f"{random}.x")
    assert random not in stored_key(random)
    assert stored_key(random) != stored_key(random_part())
    assert stored_key(random, "shop") != stored_key(random)


class Foreign:
    """A store that keeps no key."""


class Keeping:
    def signing_key(self) -> bytes:
        return b"of the store"


def test_key_of_the_setting() -> None:
    assert signing_key(Keeping(), "the setting's") == b"the setting's"


def test_key_of_the_store() -> None:
    assert signing_key(Keeping(), "") == b"of the store"


def test_key_of_the_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It's the same each time, and said once."""
    monkeypatch.setattr(ids, "_process_key", b"")
    with caplog.at_level(logging.WARNING):
        keys: list[t.Any] = [signing_key(Foreign(), "") for _ in range(3)]

    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    [line] = caplog.messages
    assert "Foreign" in line
    assert "FLUXSYNC_SESSION_SECRET" in line
