"""Redis shared by servers, stopped while they serve, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from prometheus_client import CollectorRegistry

from lm.errors import ConfigError
from service.adapters.redis_cache import RedisCache, redis_key
from service.metrics import Metrics
from tests.redis_process import RedisProcess, free_port
from tests.service_twins import TwinModel, eventually, running, sample


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """One that a test may stop without disturbing others."""
    (tmp_path / "redis").mkdir()
    server = RedisProcess(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def test_two_servers_share_answers(tmp_path: Path, own_redis: RedisProcess) -> None:
    first, second = TwinModel(), TwinModel()
    question = pb.CompleteQueryRequest(query="shared")
    url = own_redis.url
    with running(tmp_path / "1", first, redis=url, redis_timeout_ms=1000) as (_, channel):
        answer = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(question)
    with running(tmp_path / "2", second, redis=url, redis_timeout_ms=1000) as (server, channel):
        assert pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(question) == answer
        assert sample(server, "autocomplete_cache_lookups_total", tier="redis", outcome="hit") == 1
    assert (len(first.asked), len(second.asked)) == (1, 0)


def test_keys_expire_and_hold_no_query(tmp_path: Path, own_redis: RedisProcess) -> None:
    with (
        running(tmp_path, redis=own_redis.url, redis_timeout_ms=1000, redis_ttl_s=90) as (_, channel),
        redis.Redis.from_url(own_redis.url) as client,
    ):
        pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(query="private words"))
        (key,) = client.keys("*")
        assert b"private" not in key
        assert 0 < client.ttl(key) <= 90


def test_answers_go_on_while_redis_is_down_and_use_it_again(tmp_path: Path, own_redis: RedisProcess) -> None:
    with running(tmp_path, redis=own_redis.url, redis_timeout_ms=1000, cache_entries=1) as (server, channel):
        stub = pb_grpc.AutocompleteServiceStub(channel)
        numbers = iter(range(100_000))

        def ask() -> None:
            assert stub.CompleteQuery(pb.CompleteQueryRequest(query=f"q{next(numbers)}")).suggestions

        ask()
        assert sample(server, "autocomplete_redis_available") == 1
        own_redis.stop()
        for _ in range(10):
            ask()
        assert sample(server, "autocomplete_redis_available") == 0
        errors = sum(
            sample(server, "autocomplete_redis_errors_total", operation=operation) for operation in ("get", "set")
        )
        assert errors == 3  # then nobody asks it until the next attempt
        own_redis.start()

        def is_back() -> bool:
            ask()
            return sample(server, "autocomplete_redis_available") == 1

        eventually(is_back)
        stub.CompleteQuery(pb.CompleteQueryRequest(query="after"))
        stub.CompleteQuery(pb.CompleteQueryRequest(query="pushes the former out of the process"))
        hits = sample(server, "autocomplete_cache_lookups_total", tier="redis", outcome="hit")
        stub.CompleteQuery(pb.CompleteQueryRequest(query="after"))
        assert sample(server, "autocomplete_cache_lookups_total", tier="redis", outcome="hit") == hits + 1


def test_a_redis_that_is_down_at_the_start_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path, redis=f"redis://127.0.0.1:{free_port()}/0") as (server, channel):
        assert pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest()).suggestions
        assert sample(server, "autocomplete_redis_errors_total", operation="ping") == 1
    assert "redis_unreachable" in capsys.readouterr().out


def test_a_value_of_somebody_else_is_a_miss(own_redis: RedisProcess) -> None:
    key = ("Method", "model", "1", "text", 10)
    name = redis_key(key)
    metrics = Metrics(CollectorRegistry())
    cache = RedisCache(own_redis.url, timeout_s=1.0, ttl_s=60, max_connections=2, metrics=metrics)
    with redis.Redis.from_url(own_redis.url) as client:
        cache.put(key, b"answer")
        stored = client.get(name)
        for foreign in (b"", b"xyz", b"not ours", stored[:-1], stored + b"!"):
            client.set(name, foreign)
            assert cache.get(key) is None
        client.delete(name)
        client.lpush(name, "of another type")
        assert cache.get(key) is None
    assert metrics.registry.get_sample_value("autocomplete_redis_errors_total", {"operation": "get"}) == 1
    cache.close()


def test_an_url_that_redis_does_not_know_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="--redis"):
        RedisCache("http://x", timeout_s=1, ttl_s=1, max_connections=1, metrics=Metrics(CollectorRegistry()))
