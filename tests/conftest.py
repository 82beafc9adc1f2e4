"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.sample_data import SampleData, ensure_sample_data
from lm.bundle.file_lock import file_lock
from lm.bundle.registry import Registry
from lm.models.user_cache import cache_home
from tests.redis_process import RedisProcess
from tests.redis_topologies import RedisCluster, RedisWithSentinel
from tests.s3_server import S3Server
from tests.tiny_bundle import train_tiny
from training.progress import SilentReporter

pytest_plugins = ["tests.skips"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A real Redis, shared by all tests: use your own keys, and start it again if you stop it."""
    server = RedisProcess(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A real Redis Cluster, shared by all tests."""
    cluster = RedisCluster(tmp_path_factory.mktemp("redis-cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def redis_sentinel(tmp_path: Path) -> Iterator[RedisWithSentinel]:
    """A master, a replica and a sentinel, of which a test may stop what it likes."""
    (tmp_path / "sentinel").mkdir()
    servers = RedisWithSentinel(tmp_path / "sentinel")
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 API, shared by all tests, each with a bucket of its own."""
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix in a bucket."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.bucket()


@pytest.fixture(scope="session")
def sample_data() -> SampleData:
    """The demo's speeches and queries, fetched once a machine."""
    return ensure_sample_data(cache_home() / "sample", SilentReporter())


@pytest.fixture(scope="session")
def tiny_bundle_registry(tmp_path_factory: pytest.TempPathFactory, sample_data: SampleData) -> Path:
    """A registry with the model `tiny`; where several processes test, the first that needs it trains it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny"
    folder.mkdir(exist_ok=True)
    with file_lock(folder / "lock"):
        if not (folder / "trained").is_file():
            train_tiny(folder, sample_data)
            (folder / "trained").touch()
    return folder / "registry"


@pytest.fixture(scope="session")
def tiny_bundle(tiny_bundle_registry: Path) -> Path:
    """The folder of the tiny bundle: do not write into it."""
    return Registry(tiny_bundle_registry).resolve("tiny")
