"""Stores of the live state for contract tests: the SQLite file, and a real Redis of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from service.live.stores.store import LiveStore, open_store
from tests.redis_process import RedisProcess
from tests.redis_topologies import RedisCluster, RedisWithSentinel

KINDS = ("sqlite", "redis", "cluster", "sentinel")


@pytest.fixture(params=KINDS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty store is."""
    if request.param == "sqlite":
        yield str(tmp_path / "live.sqlite")
        return
    name = {"redis": "redis_server", "cluster": "redis_cluster", "sentinel": "redis_sentinel"}[request.param]
    server: RedisProcess | RedisCluster | RedisWithSentinel = request.getfixturevalue(name)
    if isinstance(server, RedisProcess):
        nodes = [server]
    else:
        nodes = server.nodes if isinstance(server, RedisCluster) else [server.master]
    for node in nodes:
        node.start()
        with redis.Redis(port=node.port) as client:
            client.config_set("appendonly", "yes")
            client.flushall()
    yield server.url
    for node in nodes:
        with redis.Redis(port=node.port) as client:
            client.config_set("appendonly", "no")
            client.flushall()


@pytest.fixture
def store(location: str) -> Iterator[LiveStore]:
    opened = open_store(location)
    yield opened
    opened.close()
