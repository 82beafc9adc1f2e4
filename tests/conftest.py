"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_process import RedisProcess

pytest_plugins = ["tests.skips"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A real Redis, shared by all tests: use your own keys, and start it again if you stop it."""
    server = RedisProcess(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()
