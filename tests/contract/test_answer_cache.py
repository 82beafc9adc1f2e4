"""What every cache of answers does: the one of the process and the one in a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from service.adapters.memory_cache import MemoryCache
from service.adapters.redis_cache import RedisCache
from service.metrics import Metrics
from service.ports import AnswerCache
from tests.redis_process import RedisProcess


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest) -> Iterator[AnswerCache]:
    made: AnswerCache
    if request.param == "memory":
        made = MemoryCache(max_entries=100, max_bytes=1_000_000)
    else:
        server: RedisProcess = request.getfixturevalue("redis_server")
        server.start()
        metrics = Metrics(CollectorRegistry())
        made = RedisCache(server.url, timeout_s=1.0, ttl_s=60, max_connections=4, metrics=metrics)
    yield made
    made.close()


@pytest.fixture
def key() -> str:
    return f"test:{uuid.uuid4()}"


def test_what_was_not_put_is_not_there(cache: AnswerCache, key: str) -> None:
    assert cache.get(key) is None


@pytest.mark.parametrize("answer", [b"", b"text", bytes(range(256)), b"\r\n" * 1000])
def test_what_was_put_comes_back(cache: AnswerCache, key: str, answer: bytes) -> None:
    cache.put(key, answer)
    assert cache.get(key) == answer


def test_the_last_put_counts(cache: AnswerCache, key: str) -> None:
    cache.put(key, b"first")
    cache.put(key, b"second")
    assert cache.get(key) == b"second"


def test_keys_are_apart(cache: AnswerCache, key: str) -> None:
    cache.put(key, b"one")
    cache.put(key + "é", b"two")
    assert (cache.get(key), cache.get(key + "é")) == (b"one", b"two")
