"""Redis shared by servers, stopped while they serve, and back."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from prometheus_client import CollectorRegistry
from redis.crc import key_slot

from lm.errors import ConfigError
from service.cache.redis_cache import RedisCache, redis_key
from service.telemetry.metrics import Metrics
from tests.redis_process import HOST, RedisProcess, free_port
from tests.redis_topologies import RedisCluster, RedisWithSentinel
from tests.service_twins import TwinModel, eventually, running, sample

KEY: bytes = b"Method:model:1:text"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """One that a test may stop without disturbing others."""
    (tmp_path / "redis").mkdir()
    server = RedisProcess(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@contextmanager
def cache_of(
    url: str, *, timeout_s: float = 1.0, reached: bool = True
) -> Iterator[tuple[RedisCache, Callable[..., float]]]:
    """A cache and what reads its metrics."""
    metrics = Metrics(CollectorRegistry())
    cache = RedisCache(url, timeout_s=timeout_s, ttl_s=60, metrics=metrics)
    assert cache.ping() is reached
    yield cache, lambda name, **labels: metrics.registry.get_sample_value(name, labels) or 0.0
    cache.close()


@contextmanager
def slowed(server: RedisProcess, *, seconds: float) -> Iterator[int]:
    """The port of a proxy that hands each answer of a Redis on late."""

    class Slow(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((HOST, server.port)) as behind:
                while asked := self.request.recv(65536):
                    behind.sendall(asked)
                    time.sleep(seconds)
                    self.request.sendall(behind.recv(65536))

    with socketserver.ThreadingTCPServer((HOST, 0), Slow) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy.server_address[1]
        proxy.shutdown()


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
        eventually(lambda: client.keys("*"))
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

        def is_lost() -> bool:
            ask()
            return sample(server, "autocomplete_redis_available") == 0

        eventually(is_lost)
        own_redis.start()

        def is_back() -> bool:
            ask()
            return sample(server, "autocomplete_redis_available") == 1

        eventually(is_back)
        hits = sample(server, "autocomplete_cache_lookups_total", tier="redis", outcome="hit")

        def is_hit() -> bool:
            stub.CompleteQuery(pb.CompleteQueryRequest(query="after"))
            stub.CompleteQuery(pb.CompleteQueryRequest(query="pushes the former out of the process"))
            return sample(server, "autocomplete_cache_lookups_total", tier="redis", outcome="hit") > hits

        eventually(is_hit)


def test_a_redis_that_is_down_at_the_start_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path, redis=f"redis://127.0.0.1:{free_port()}/0") as (server, channel):
        assert pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest()).suggestions
        assert sample(server, "autocomplete_redis_errors_total", operation="ping") == 1
    assert "redis_unreachable" in capsys.readouterr().out


def test_a_value_of_somebody_else_is_a_miss(own_redis: RedisProcess) -> None:
    name = redis_key(KEY)
    with cache_of(own_redis.url) as (cache, value), redis.Redis.from_url(own_redis.url) as client:
        cache.put(KEY, b"answer")
        eventually(lambda: cache.get(KEY) == b"answer")
        stored = client.get(name)
        for foreign in (b"", b"xyz", b"not ours", stored[:-1], stored + b"!"):
            client.set(name, foreign)
            assert cache.get(KEY) is None
        client.delete(name)
        client.lpush(name, "of another type")
        assert cache.get(KEY) is None
        assert value("autocomplete_redis_errors_total", operation="get") == 1


def test_an_answer_that_takes_long_is_a_miss_and_then_nobody_waits_until_redis_is_back(own_redis: RedisProcess) -> None:
    with cache_of(own_redis.url, timeout_s=0.2) as (cache, value), redis.Redis.from_url(own_redis.url) as client:
        cache.put(KEY, b"answer")
        eventually(lambda: cache.get(KEY) == b"answer")
        client.execute_command("CLIENT", "PAUSE", 2000)
        eventually(lambda: cache.get(KEY) is None and value("autocomplete_redis_available") == 0)
        failed = value("autocomplete_redis_errors_total", operation="get")
        assert cache.get(KEY) is None
        assert value("autocomplete_redis_errors_total", operation="get") == failed <= 3
        eventually(lambda: cache.get(KEY) == b"answer")
        assert value("autocomplete_redis_available") == 1


def test_connections_that_redis_closes_are_replaced(own_redis: RedisProcess) -> None:
    with cache_of(own_redis.url) as (cache, value), redis.Redis.from_url(own_redis.url) as client:
        cache.put(KEY, b"answer")
        eventually(lambda: cache.get(KEY) == b"answer")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        eventually(lambda: cache.get(KEY) == b"answer")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        cache.put(KEY, b"another")
        eventually(lambda: cache.get(KEY) == b"another")
        assert value("autocomplete_redis_errors_total", operation="get") == 0


def test_no_caller_waits_for_a_connection(own_redis: RedisProcess) -> None:
    with cache_of(own_redis.url) as (cache, value):
        cache.put(KEY, b"answer")
        eventually(lambda: cache.get(KEY) == b"answer")
        own_redis.stop()
        with socket.create_server((HOST, own_redis.port)):  # takes connections and says nothing
            eventually(lambda: cache.get(KEY) is None and value("autocomplete_redis_available") == 0)
            assert value("autocomplete_redis_errors_total", operation="get") == 0
            assert value("autocomplete_redis_errors_total", operation="connect") == 3
        own_redis.start()
        eventually(lambda: value("autocomplete_redis_available") == 1)


def test_a_redis_that_is_always_slower_than_the_limit_stays_away(own_redis: RedisProcess) -> None:
    with (
        slowed(own_redis, seconds=0.2) as port,
        cache_of(f"redis://{HOST}:{port}", timeout_s=0.05, reached=False) as (cache, value),
    ):
        eventually(lambda: cache.get(KEY) is None and value("autocomplete_redis_errors_total", operation="ping") >= 3)
        assert value("autocomplete_redis_available") == 0


def test_answers_that_redis_does_not_take_fast_enough_are_dropped(own_redis: RedisProcess) -> None:
    with cache_of(own_redis.url, timeout_s=1.0) as (cache, value), redis.Redis.from_url(own_redis.url) as client:
        client.execute_command("CLIENT", "PAUSE", 500)
        for number in range(3000):
            cache.put(b"%b %d" % (KEY, number), b"answer")
        assert value("autocomplete_redis_dropped_answers_total") > 0
        eventually(lambda: cache.get(b"%b 0" % KEY) == b"answer")


def test_a_slow_server_of_a_cluster_is_a_miss_and_then_nobody_waits(redis_cluster: RedisCluster) -> None:
    with cache_of(redis_cluster.url, timeout_s=0.2) as (cache, value):
        cache.put(KEY, b"answer")
        eventually(lambda: cache.get(KEY) == b"answer")
        for node in redis_cluster.nodes:
            with redis.Redis(port=node.port) as client:
                client.execute_command("CLIENT", "PAUSE", 2000)
        eventually(lambda: cache.get(KEY) is None and value("autocomplete_redis_available") == 0)
        assert value("autocomplete_redis_errors_total", operation="get") <= 3
        eventually(lambda: cache.get(KEY) == b"answer")


def test_a_slot_that_moves_is_found_at_its_new_server(redis_cluster: RedisCluster) -> None:
    slot = key_slot(redis_key(KEY))
    with cache_of(redis_cluster.url) as (cache, _):
        cache.put(KEY, b"answer")
        eventually(lambda: cache.get(KEY) == b"answer")
        for target in (*redis_cluster.nodes[1:], *redis_cluster.nodes[:1]):
            redis_cluster.move(slot, target)

            def finds_a_new_one() -> bool:
                cache.put(KEY, b"new")
                return cache.get(KEY) == b"new"

            eventually(finds_a_new_one)
            with redis.Redis(port=target.port) as client:
                assert client.exists(redis_key(KEY))


def test_the_replica_that_sentinels_make_the_master_takes_over(redis_sentinel: RedisWithSentinel) -> None:
    with cache_of(redis_sentinel.url) as (cache, _):
        cache.put(KEY, b"answer")
        eventually(lambda: cache.get(KEY) == b"answer")
        redis_sentinel.master.stop()

        def finds_a_new_one() -> bool:
            cache.put(KEY, b"new")
            return cache.get(KEY) == b"new"

        eventually(finds_a_new_one)


@pytest.mark.parametrize("transport", ["redis", "rediss"])
@pytest.mark.parametrize("form", ["{}://{}:{}/3", "{}+cluster://{}:{}", "{}+sentinel://{}:{}/answers"])
def test_a_redis_that_cannot_be_reached_is_no_error(form: str, transport: str) -> None:
    with cache_of(form.format(transport, "127.0.0.1", free_port()), reached=False) as (cache, value):
        cache.put(KEY, b"answer")
        assert cache.get(KEY) is None
        assert value("autocomplete_redis_errors_total", operation="ping") == 1
        assert value("autocomplete_redis_available") == 0


def test_user_password_and_database_of_the_url_are_used(own_redis: RedisProcess) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.acl_setuser("cache", enabled=True, passwords=["+p@ss:w/rd"], keys=["autocomplete:*"], commands=["+@all"])
        host = f"127.0.0.1:{own_redis.port}"
        with cache_of(f"redis://cache:p%40ss%3Aw%2Frd@{host}/3") as (cache, _):
            cache.put(KEY, b"answer")
            eventually(lambda: cache.get(KEY) == b"answer")
        with redis.Redis.from_url(f"redis://{host}/3") as third:
            assert third.exists(redis_key(KEY))
        with cache_of(f"redis://cache:wrong@{host}/3", reached=False) as (cache, _):
            assert cache.get(KEY) is None


def test_a_socket_is_as_good_as_a_port(tmp_path: Path) -> None:
    server = RedisProcess(tmp_path, "--unixsocket", str(tmp_path / "redis.sock"))
    server.start()
    try:
        with cache_of(f"unix://{tmp_path}/redis.sock?db=1") as (cache, _):
            cache.put(KEY, b"answer")
            eventually(lambda: cache.get(KEY) == b"answer")
    finally:
        server.stop()


@pytest.mark.parametrize("url", ["http://x", "redis://x?colour=blue"])
def test_an_url_that_redis_does_not_know_is_a_clear_error(url: str) -> None:
    with pytest.raises(ConfigError, match="--redis"):
        RedisCache(url, timeout_s=1, ttl_s=1, metrics=Metrics(CollectorRegistry()))
