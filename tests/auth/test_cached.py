from __future__ import annotations

import threading

import pytest

from fluxsync.auth.cached import COOLDOWN, LIFESPAN, STALE, Cached
from fluxsync.exceptions import ProviderError, ProviderTimeoutError


class Source:
    """Something that is fetched, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fetched = 0
        self.error: ProviderError | None = None
        self.cached = Cached(self.fetch, lambda: self.now)

    def fetch(self) -> str:
        self.fetched += 1
        if self.error:
            raise self.error
        return f"value {self.fetched}"


@pytest.fixture
def source() -> Source:
    return Source()


def test_value_is_kept(source: Source) -> None:
    assert source.cached.get() == "value 1"

    source.now += LIFESPAN - 1

    assert source.cached.get() == "value 1"


def test_value_is_refreshed(source: Source) -> None:
    source.cached.get()

    source.now += LIFESPAN

    assert source.cached.get() == "value 2"


def test_old_value_is_better_than_none(source: Source) -> None:
    source.cached.get()
    source.error = ProviderError("down")
    source.now += LIFESPAN

    assert [source.cached.get() for _ in range(3)] == ["value 1"] * 3
    assert source.fetched == 2  # and not for each request


def test_value_that_is_too_old_is_none(source: Source) -> None:
    source.cached.get()
    source.error = ProviderTimeoutError("down")
    source.now += STALE

    for _ in range(2):
        with pytest.raises(ProviderTimeoutError, match=r"^down$"):
            source.cached.get()
    assert source.fetched == 2


def test_failures_have_a_pause(source: Source) -> None:
    source.error = ProviderError("down")
    for _ in range(3):
        with pytest.raises(ProviderError):
            source.cached.get()
    assert source.fetched == 1

    source.error = None
    source.now += COOLDOWN

    assert source.cached.get() == "value 2"


def test_clients_cannot_have_it_fetched_at_will(source: Source) -> None:
    """As with tokens that name keys which aren't there."""
    held = source.cached.get()

    assert [source.cached.get(but=held) for _ in range(3)] == [held] * 3
    source.now += COOLDOWN
    assert source.cached.get(but=held) == "value 2"
    assert source.fetched == 2


def test_it_is_not_known_whether_there_is_a_newer_one(source: Source) -> None:
    held = source.cached.get()
    source.error = ProviderError("down")
    source.now += COOLDOWN

    for _ in range(2):
        with pytest.raises(ProviderError):
            source.cached.get(but=held)
    assert source.cached.get() == held


def test_one_thread_fetches() -> None:
    """The others wait for it if there's nothing yet, and go on with what there is."""
    begun, go = threading.Semaphore(0), threading.Semaphore(0)
    now = 0.0
    fetched = []

    def fetch() -> int:
        begun.release()
        assert go.acquire(timeout=10)
        fetched.append(1)
        return len(fetched)

    cached = Cached(fetch, lambda: now)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(cached.get())) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert begun.acquire(timeout=10)
    go.release()
    for thread in threads:
        thread.join(10)
    assert found == [1] * 5

    now = LIFESPAN
    refreshing = threading.Thread(target=lambda: found.append(cached.get()))
    refreshing.start()
    assert begun.acquire(timeout=10)
    assert cached.get() == 1  # while that thread is at it
    go.release()
    refreshing.join(10)
    assert found[-1] == cached.get() == 2
