"""What only this one does; the rest is in test_contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from fluxsync.exceptions import SessionError
from fluxsync.sessions.redis import RedisSessionStore


@pytest.mark.parametrize("decode", [True, False])
def test_client_of_ones_own(redis_url: str, decode: bool) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=decode) as client:
        store = RedisSessionStore(client, prefix=f"own-{decode}:")
        store.set("a", {"b": "é"})

        assert store.get("a") == {"b": "é"}
        assert store.signing_key() == store.signing_key() != b""
        assert str(store) == "Redis"


def test_prefixes_are_apart(redis_url: str) -> None:
    one, other = (RedisSessionStore(redis_url, prefix=f"apart-{n}:") for n in range(2))
    one.set("a", {})

    assert other.get("a") is None
    assert one.signing_key() != other.signing_key()
    one.close()
    other.close()


def test_server_that_is_not_there(tmp_path: Path) -> None:
    store = RedisSessionStore(f"unix://:s3cret@{tmp_path}/none.sock")
    for call in (lambda: store.get("a"), lambda: store.set("a", {}), store.signing_key):
        with pytest.raises(SessionError, match=r"session store unix://\*\*\*@.*none.sock: ") as e:
            call()
        assert "s3cret" not in str(e.value)
    store.close()


def test_server_that_is_full(redis_url: str) -> None:
    store = RedisSessionStore(redis_url, prefix="full:")
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(SessionError, match="maxmemory"):
                store.set("a", {})
        finally:
            client.config_set("maxmemory", "0")
    store.set("a", {})
    store.close()


@pytest.mark.parametrize("url", ["http://host", "redis://host:s3cret/0"])
def test_url_that_is_none(url: str) -> None:
    with pytest.raises(SessionError, match="session store"):
        RedisSessionStore(url)
