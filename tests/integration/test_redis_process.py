"""The fixture that other tests rely on: a Redis that goes away and comes back at the same address."""

from __future__ import annotations

from typing import cast

import pytest
import redis

from tests.redis_process import RedisProcess


def _set_and_get(server: RedisProcess) -> str:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        client.set("probe", "value")
        return cast(str, client.get("probe"))


def test_redis_answers_again_after_a_restart(redis_server: RedisProcess) -> None:
    address = redis_server.url
    assert _set_and_get(redis_server) == "value"

    redis_server.stop()
    with pytest.raises(redis.ConnectionError):
        _set_and_get(redis_server)
    redis_server.start()

    assert redis_server.url == address
    assert _set_and_get(redis_server) == "value"
