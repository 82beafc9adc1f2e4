"""What every cache of answers does: the one of the process and those in a real Redis, which keep a little later."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from service.cache.answers import MemoryCache
from service.cache.redis_cache import RedisCache
from service.telemetry.metrics import Metrics
from tests.redis_process import RedisProcess
from tests.service_twins import eventually


@pytest.fixture(params=["memory", "redis", "cluster", "sentinel"])
def cache(request: pytest.FixtureRequest) -> Iterator[MemoryCache | RedisCache]:
    made: MemoryCache | RedisCache
    if request.param == "memory":
        made = MemoryCache(max_entries=100, max_bytes=1_000_000)
    else:
        fixture = {"redis": "redis_server", "cluster": "redis_cluster", "sentinel": "redis_sentinel"}[request.param]
        server: RedisProcess = request.getfixturevalue(fixture)
        if request.param == "redis":
            server.start()
        made = RedisCache(server.url, timeout_s=1.0, ttl_s=60, metrics=Metrics(CollectorRegistry()))
        assert made.ping()
    yield made
    if isinstance(made, RedisCache):
        made.close()


@pytest.fixture
def key() -> bytes:
    return f"Test:model:1:{uuid.uuid4()}".encode()


def test_what_was_not_put_is_not_there(cache: MemoryCache | RedisCache, key: bytes) -> None:
    assert cache.get(key) is None


@pytest.mark.parametrize("answer", [b"", b"text", bytes(range(256)), b"\r\n" * 1000])
def test_what_was_put_comes_back(cache: MemoryCache | RedisCache, key: bytes, answer: bytes) -> None:
    cache.put(key, answer)
    eventually(lambda: cache.get(key) == answer)


def test_the_last_put_counts(cache: MemoryCache | RedisCache, key: bytes) -> None:
    cache.put(key, b"first")
    cache.put(key, b"second")
    eventually(lambda: cache.get(key) == b"second")


def test_keys_are_apart(cache: MemoryCache | RedisCache, key: bytes) -> None:
    others = [key + ending for ending in (b"\xc3\xa9", b" ", b"\x00\r\n")]
    cache.put(key, b"one")
    for number, other in enumerate(others):
        cache.put(other, b"%d" % number)
    eventually(lambda: [cache.get(other) for other in (key, *others)] == [b"one", b"0", b"1", b"2"])


def test_threads_find_what_threads_have_put(cache: MemoryCache | RedisCache, key: bytes) -> None:
    def work(number: int) -> None:
        mine = b"%b %d" % (key, number)
        cache.put(mine, b"%d" % number)
        eventually(lambda: cache.get(mine) == b"%d" % number)

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(work, range(40)))
