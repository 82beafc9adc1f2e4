"""Answers shared between servers through Redis. It fails open: Redis down is a metric and a slower answer."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from lm.errors import ConfigError
from lm.text import NORMALIZER_VERSION
from service.adapters.breaker import CircuitBreaker
from service.metrics import Metrics
from service.ports import AnswerKey

_FAILURES_TO_OPEN = 3
_RETRY_AFTER_S = 1.0
_CHECKSUM_BYTES = 4
_FORMAT = 1
"""Part of every key; raised when the form of stored answers changes."""
_log = structlog.get_logger("service.redis")


class RedisCache:
    """A cache in Redis; each value carries a checksum, so that a foreign or cut one is a miss.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout_s: time to connect and time to answer.
        ttl_s: how long an answer is kept.
        max_connections: connections at most; a caller beyond them counts as an error.

    Raises:
        ConfigError: the URL is none that redis-py takes.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        ttl_s: int,
        max_connections: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            self._pool = redis.ConnectionPool.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                max_connections=max_connections,
                retry=Retry(NoBackoff(), 0),  # a second attempt is the breaker's to allow
                protocol=2,  # no greeting on connecting, so that it fits into the timeout
            )
        except (ValueError, redis.RedisError) as error:
            raise ConfigError(f"--redis: {error}.", remedy="Such as redis://HOST:6379/0.") from None
        self._client = redis.Redis(connection_pool=self._pool)
        self._ttl_s = ttl_s
        self._metrics = metrics
        self._breaker = CircuitBreaker(failures=_FAILURES_TO_OPEN, retry_after_s=_RETRY_AFTER_S, clock=clock)

    def ping(self) -> bool:
        """Whether Redis answers now; says so in the log and the metrics if not."""
        return self._run("ping", self._client.ping) is not None

    def get(self, key: AnswerKey) -> bytes | None:
        """See `AnswerCache.get`."""
        value = self._run("get", lambda: self._client.get(redis_key(key)))
        return _unsealed(value) if isinstance(value, bytes) else None

    def put(self, key: AnswerKey, answer: bytes) -> None:
        """See `AnswerCache.put`."""
        self._run("set", lambda: self._client.set(redis_key(key), _sealed(answer), ex=self._ttl_s))

    def close(self) -> None:
        """See `AnswerCache.close`."""
        self._client.close()
        self._pool.disconnect()

    def _run(self, operation: str, call: Callable[[], object]) -> object:
        if not self._breaker.allows():
            return None
        try:
            result = call()
        except (redis.RedisError, OSError) as error:
            self._metrics.redis_errors.labels(operation).inc()
            if self._breaker.failed():
                self._metrics.redis_available.set(0)
                _log.warning("redis_lost", error=type(error).__name__, effect="answers are not shared")
            return None
        if self._breaker.succeeded():
            _log.info("redis_back")
        self._metrics.redis_available.set(1)
        return result


def redis_key(key: AnswerKey) -> str:
    """The key in Redis: who asks it sees which model was asked, but no text."""
    method, model, version, *fields = key
    digest = hashlib.blake2b(repr(fields).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"autocomplete:{_FORMAT}:{NORMALIZER_VERSION}:{method}:{model}:{version}:{digest}"


def _sealed(answer: bytes) -> bytes:
    return zlib.crc32(answer).to_bytes(_CHECKSUM_BYTES, "big") + answer


def _unsealed(value: bytes) -> bytes | None:
    answer = value[_CHECKSUM_BYTES:]
    intact = len(value) >= _CHECKSUM_BYTES and _sealed(answer) == value
    return answer if intact else None
