"""Answers shared between servers through Redis. It fails open: Redis down is a metric and a slower answer.

A caller waits for one round trip on a connection that is open, and for nothing else. All the rest is done by one
thread behind it: it opens connections, gives answers to Redis, many in one round trip, and asks whether a Redis that
failed is back. A look-up takes 21 us on loopback, of which 15 are the system's; redis-py's client with its pool of
connections takes 29.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from functools import partial

import redis
import structlog

from lm.errors import ConfigError
from lm.text.normalize import NORMALIZER_VERSION
from service.cache.breaker import CircuitBreaker
from service.cache.redis_nodes import Node, nodes_of
from service.cache.redis_url import read_redis_url
from service.ports import AnswerKey
from service.telemetry.metrics import Metrics

_FORMAT = 1
"""Part of every key; raised when the form of stored answers changes."""
_CHECKSUM_BYTES = 4
_FAILURES_TO_OPEN = 3
_RETRY_AFTER_S = 1.0
_MAX_WAITING = 1000
"""Answers that wait to be given to Redis; more are dropped."""
_BATCH = 64
_GATHER_S = 0.002
"""Between the first answer that waits and the round trip that takes it along: under load several gather."""
_STOP_TIMEOUT_S = 2.0
_MOVED_ERRORS = (redis.exceptions.AskError, redis.ReadOnlyError, redis.exceptions.ClusterDownError)
_log = structlog.get_logger("service.redis")


class RedisCache:
    """A cache in Redis; each value carries a checksum, so that a foreign or cut one is a miss.

    Values are not compressed: of typical answers, 250 to 700 bytes, zlib leaves 68%, and takes 170 us a value.

    Args:
        url: see `service.cache.redis_url`.
        timeout_s: time that Redis may take to answer.
        ttl_s: how long an answer is kept.

    Raises:
        ConfigError: the URL is none.
    """

    def __init__(self, url: str, *, timeout_s: float, ttl_s: int, metrics: Metrics) -> None:
        try:
            self._nodes = nodes_of(read_redis_url(url), timeout_s)
        except ValueError as error:
            raise ConfigError(f"--redis: {error}.", remedy="Such as redis://HOST:6379/0.") from None
        self._ttl_s = str(ttl_s)
        self._metrics = metrics
        self._breaker = CircuitBreaker(failures=_FAILURES_TO_OPEN)
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._announced = False
        self._moved = False
        self._available = False
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="redis", daemon=True)
        self._thread.start()

    def ping(self) -> bool:
        """Whether Redis answers now; says so in the log and the metrics if not. Opens a connection to each server."""
        return self._attempt("ping", self._reach)

    def get(self, key: AnswerKey) -> bytes | None:
        """See `AnswerCache.get`."""
        if self._breaker.is_open:
            return None
        name = redis_key(key)
        node = self._nodes.locate(name)
        if node is None:
            self._look_around()
            return None
        while (connection := node.take()) is not None:
            try:
                connection.send_command("GET", name, check_health=False)
                value = connection.read_response(disable_decoding=True)
            except redis.ConnectionError:
                connection.disconnect()
                continue  # closed by the other side since it was used last, as the others may be
            except _MOVED_ERRORS:
                node.give(connection)
                self._look_around()
                return None
            except redis.RedisError as error:
                if isinstance(error, redis.ResponseError):
                    node.give(connection)
                self._failed("get", error)
                return None
            node.give(connection)
            self._succeeded()
            return _unsealed(value) if isinstance(value, bytes) else None
        if not node.wanted:
            node.wanted = True
            self._tasks.put(lambda: self._open(node))
        return None

    def put(self, key: AnswerKey, answer: bytes) -> None:
        """See `AnswerCache.put`; the answer is in Redis a little later."""
        if self._breaker.is_open:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._metrics.redis_dropped.inc()
            return
        self._waiting.append((redis_key(key), _sealed(answer)))
        if not self._announced:
            self._announced = True
            self._tasks.put(self._write)

    def close(self) -> None:
        """See `AnswerCache.close`; what waits is given to Redis, if it takes it."""
        self._tasks.put(None)
        self._thread.join(_STOP_TIMEOUT_S)
        for node in self._nodes.all():
            node.close()

    def _run(self) -> None:
        """What the thread does: tasks and, while Redis is away, an attempt every second."""
        while True:
            try:
                task = self._tasks.get(timeout=_RETRY_AFTER_S if self._breaker.is_open else None)
            except queue.Empty:
                self._waiting.clear()
                self._attempt("ping", self._reach)
                continue
            if task is None:
                return
            task()

    def _attempt(self, operation: str, call: Callable[[], None]) -> bool:
        try:
            call()
        except Exception as error:  # whatever it is, the thread goes on
            self._failed(operation, error)
            return False
        return True

    def _reach(self) -> None:
        """Asks who is where, and each server for an answer; one that answers is enough.

        Raises:
            redis.RedisError: none does.
        """
        self._moved = False
        self._nodes.refresh()
        reached, failure = False, redis.RedisError("no server")
        for node in self._nodes.all():
            try:
                node.ping()
                reached = True
            except redis.RedisError as error:
                failure = error
        if not reached:
            raise failure
        self._succeeded()

    def _open(self, node: Node) -> None:
        if not self._breaker.is_open and not self._attempt("connect", node.open):
            self._look_around()

    def _look_around(self) -> None:
        """Has it found out anew who is where."""
        if not self._moved:
            self._moved = True
            self._tasks.put(self._refresh)

    def _refresh(self) -> None:
        self._attempt("topology", self._nodes.refresh)
        self._moved = False

    def _write(self) -> None:
        """Gives what waits to Redis."""
        time.sleep(_GATHER_S)
        self._announced = False
        by_node: dict[Node, list[tuple[bytes, bytes]]] = {}
        for _ in range(len(self._waiting)):
            name, value = self._waiting.popleft()
            node = self._nodes.locate(name)
            if node is not None:
                by_node.setdefault(node, []).append((name, value))
        for node, entries in by_node.items():
            for start in range(0, len(entries), _BATCH):
                batch = entries[start : start + _BATCH]
                if not self._breaker.is_open:
                    self._attempt("set", partial(self._set, node, batch))

    def _set(self, node: Node, batch: list[tuple[bytes, bytes]]) -> None:
        """Raises redis.RedisError: the server does not take one of them."""
        connection = node.own()
        commands = [("SET", name, value, "EX", self._ttl_s) for name, value in batch]
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        refusal: redis.ResponseError | None = None
        for _ in batch:
            try:
                connection.read_response()
            except _MOVED_ERRORS:
                self._look_around()
            except redis.ResponseError as error:  # the other replies are still to be read
                refusal = error
        if refusal is not None:
            raise refusal
        self._succeeded()

    def _succeeded(self) -> None:
        if self._breaker.succeeded():
            _log.info("redis_back")
        if not self._available:
            self._available = True
            self._metrics.redis_available.set(1)

    def _failed(self, operation: str, error: Exception) -> None:
        self._metrics.redis_errors.labels(operation).inc()
        if self._breaker.failed():
            self._available = False
            self._metrics.redis_available.set(0)
            # wakes the thread, which then tries again by itself
            self._tasks.put(lambda: None)
            _log.warning("redis_lost", error=type(error).__name__, effect="answers are not shared")


def redis_key(key: AnswerKey) -> bytes:
    """The key in Redis: who looks at it sees which model was asked, but no text."""
    method, model, version, *fields = key
    digest = hashlib.blake2b(repr(fields).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"autocomplete:{_FORMAT}:{NORMALIZER_VERSION}:{method}:{model}:{version}:{digest}".encode()


def _sealed(answer: bytes) -> bytes:
    return zlib.crc32(answer).to_bytes(_CHECKSUM_BYTES, "big") + answer


def _unsealed(value: bytes) -> bytes | None:
    answer = value[_CHECKSUM_BYTES:]
    return answer if zlib.crc32(answer).to_bytes(_CHECKSUM_BYTES, "big") == value[:_CHECKSUM_BYTES] else None
