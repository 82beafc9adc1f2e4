"""What every cache of answers does: the one of the process and the one in a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from service.adapters.memory_cache import MemoryCache
from service.adapters.redis_cache import RedisCache
from service.metrics import Metrics
from service.ports import AnswerCache, AnswerKey
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
def key() -> AnswerKey:
    return "Test", "model", "1", f"{uuid.uuid4()}", 10, False


def test_what_was_not_put_is_not_there(cache: AnswerCache, key: AnswerKey) -> None:
    assert cache.get(key) is None


@pytest.mark.parametrize("answer", [b"", b"text", bytes(range(256)), b"\r\n" * 1000])
def test_what_was_put_comes_back(cache: AnswerCache, key: AnswerKey, answer: bytes) -> None:
    cache.put(key, answer)
    assert cache.get(key) == answer


def test_the_last_put_counts(cache: AnswerCache, key: AnswerKey) -> None:
    cache.put(key, b"first")
    cache.put(key, b"second")
    assert cache.get(key) == b"second"


def test_keys_are_apart(cache: AnswerCache, key: AnswerKey) -> None:
    others = [(*key[:3], f"{key[3]}é", *key[4:]), (*key[:3], f"{key[3]} ", *key[4:]), (*key[:4], 11, False)]
    cache.put(key, b"one")
    for number, other in enumerate(others):
        cache.put(other, b"%d" % number)
    assert [cache.get(other) for other in (key, *others)] == [b"one", b"0", b"1", b"2"]
