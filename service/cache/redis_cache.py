"""Answers that servers share through Redis. It fails open: without Redis answers take longer, and a metric says so.

A caller asks on a connection that is open and waits no longer than its time limit. One thread behind the callers does
everything that may take longer: it opens connections, finds out which server holds a key, stores answers, many in one
round trip, and, after failures, tries until Redis is back.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import redis
import structlog
from redis.exceptions import AskError, ClusterDownError, MaxConnectionsError, RedisClusterException

from lm.errors import ConfigError
from lm.text.normalize import NORMALIZER_VERSION
from service.cache.redis_clients import NotOpenError, RedisClients
from service.cache.redis_url import read_redis_url
from service.telemetry.metrics import Metrics

_FORMAT = 2
"""Part of every key; raised when the form of keys or of stored answers changes."""
_FAILURES_TO_LOSE = 3
_RETRY_AFTER_S = 1.0
_MAX_WAITING = 1000
"""Answers that wait to be stored; more are dropped."""
_BATCH = 64
_GATHER_S = 0.002
"""Between the first answer that waits and the round trip that stores it: under load several gather."""
_STOP_TIMEOUT_S = 2.0
_CHECKSUM_BYTES = 4
_ELSEWHERE = (NotOpenError, AskError, ClusterDownError, MaxConnectionsError, RedisClusterException)
"""Errors after which the thread behind looks as well: it connects, and redis-py finds the server that has the key."""
_log = structlog.get_logger("service.redis")


class RedisCache:
    """A cache in Redis. Each value carries a checksum, so a foreign or cut value is a miss.

    After some failures in a row Redis is lost: callers keep away until the thread behind them has reached it again.

    Args:
        url: see `service.cache.redis_url`.
        timeout_s: time that a caller waits for Redis.
        ttl_s: how long Redis keeps an answer.

    Raises:
        ConfigError: the URL cannot be used.
    """

    def __init__(self, url: str, *, timeout_s: float, ttl_s: int, metrics: Metrics) -> None:
        try:
            form = read_redis_url(url)
            self._clients = RedisClients(form, timeout_s)
        except ValueError as error:
            raise ConfigError(f"--redis: {error}.", remedy="Such as redis://HOST:6379/0.") from None
        self._ttl_s = ttl_s
        self._metrics = metrics
        self._lock = threading.Lock()
        self._failures = 0  # in a row
        self._available = False
        self._client: Any = None  # until Redis is reached
        self._is_cluster = form.kind == "cluster"
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._write_planned = self._look_planned = False
        self._probes = itertools.count()
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="redis", daemon=True)
        self._thread.start()

    def ping(self) -> bool:
        """Whether Redis answers now; the log and the metrics say so if not."""
        answers: Future[bool] = Future()
        self._tasks.put(lambda: answers.set_result(self._attempt("ping", self._reach)))
        return answers.result()

    def get(self, key: bytes) -> bytes | None:
        """The answer that was put under this key, if Redis gives it in time."""
        if self._lost:
            return None
        name = redis_key(key)
        try:
            value = self._server_of(name).get(name)
        except _ELSEWHERE:
            if not self._look_planned:
                self._look_planned = True
                self._tasks.put(partial(self._attempt, "connect", partial(self._look, name)))
            return None
        except (redis.RedisError, OSError) as error:
            self._failed("get", error)
            return None
        self._succeeded()
        return _unsealed(value) if isinstance(value, bytes) else None

    def put(self, key: bytes, answer: bytes) -> None:
        """Keeps an answer; it is in Redis a little later."""
        if self._lost:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._metrics.redis_dropped.inc()
            return
        self._waiting.append((redis_key(key), _sealed(answer)))
        if not self._write_planned:
            self._write_planned = True
            self._tasks.put(partial(self._attempt, "set", self._write))

    def close(self) -> None:
        """Closes its connections; answers that wait are stored first, if Redis takes them."""
        self._tasks.put(None)
        self._thread.join(_STOP_TIMEOUT_S)
        if self._client is not None:
            self._clients.close(self._client)

    def _server_of(self, name: bytes) -> Any:
        """The client of the server that has a key: that of a cluster would ask other servers while the caller waits."""
        if self._client is None:
            raise NotOpenError("Redis was not reached yet")
        client = self._client
        return client.get_redis_connection(client.get_node_from_key(name)) if self._is_cluster else client

    def _run(self) -> None:
        """Does tasks and, while Redis is lost, an attempt every second."""
        self._clients.may_connect()
        while True:
            try:
                task = self._tasks.get(timeout=_RETRY_AFTER_S if self._lost else None)
            except queue.Empty:
                self._waiting.clear()
                self._attempt("ping", self._reach)
                continue
            if task is None:
                return
            task()

    def _attempt(self, operation: str, call: Callable[[], object]) -> bool:
        try:
            call()
        except Exception as error:  # whatever it is, the thread goes on
            self._failed(operation, error)
            return False
        return True

    def _reach(self) -> None:
        """Sees whether Redis answers; in a cluster it asks another server each time."""
        self._look(b"autocomplete:probe:%d" % next(self._probes))
        self._succeeded()

    def _look(self, name: bytes) -> None:
        """Opens a connection to the server that has a key, wherever it is now."""
        self._look_planned = False
        if self._client is None:
            self._client = self._clients.connect()
        self._client.get(name)

    def _write(self) -> None:
        """Stores the answers that wait."""
        time.sleep(_GATHER_S)
        self._write_planned = False
        for _ in range(0, len(self._waiting), _BATCH):
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            if self._client is not None and not self._lost:
                self._attempt("set", partial(self._store, batch))

    def _store(self, batch: list[tuple[bytes, bytes]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for name, value in batch:
            pipeline.set(name, value, ex=self._ttl_s)
        pipeline.execute()
        self._succeeded()

    @property
    def _lost(self) -> bool:
        return self._failures >= _FAILURES_TO_LOSE

    def _succeeded(self) -> None:
        if self._available and self._failures == 0:  # the usual case takes no lock
            return
        with self._lock:
            was_lost, self._failures, self._available = self._lost, 0, True
        self._metrics.redis_available.set(1)
        if was_lost:
            _log.info("redis_back")

    def _failed(self, operation: str, error: Exception) -> None:
        self._metrics.redis_errors.labels(operation).inc()
        with self._lock:
            self._failures += 1
            if self._failures != _FAILURES_TO_LOSE:
                return
            self._available = False
        self._metrics.redis_available.set(0)
        self._tasks.put(lambda: None)  # wakes the thread, which then tries again by itself
        _log.warning("redis_lost", error=type(error).__name__, effect="answers are not shared")


def redis_key(key: bytes) -> bytes:
    """The name of an answer in Redis."""
    return b"autocomplete:%d:%d:%b" % (_FORMAT, NORMALIZER_VERSION, key)


def _sealed(answer: bytes) -> bytes:
    return zlib.crc32(answer).to_bytes(_CHECKSUM_BYTES, "big") + answer


def _unsealed(value: bytes) -> bytes | None:
    answer = value[_CHECKSUM_BYTES:]
    return answer if zlib.crc32(answer).to_bytes(_CHECKSUM_BYTES, "big") == value[:_CHECKSUM_BYTES] else None
