"""Answers come from the process, from Redis, or from one computation for all who ask the same at once."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from cachetools import LRUCache

from service.config import ServerSettings
from service.telemetry.metrics import Metrics
from suggest.budget import Budget, CostEstimate

if TYPE_CHECKING:
    from service.cache.redis_cache import RedisCache
    from service.live.models import LiveModel
    from suggest.model import Model

_log = structlog.get_logger("service.server")
_ENTRY_OVERHEAD = 260
"""Bytes that an entry takes besides its key and its answer: places in two tables, the pair, its size and the link that
orders it. As tracemalloc counts them it is 230 to 310, as the tables double, from 1,000 to 100,000 entries."""
_Entry = tuple[bytes, bytes]
_OWN = b":own"
"""Ends the keys of answers for one user alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A computed answer; it is cached only if `keep` is true."""

    payload: bytes
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """A computation under way, which may take `allowed_s`."""

    allowed_s: float
    computed: Future[Computed] = field(default_factory=Future)


class MemoryCache:
    """A thread-safe cache of bounded size; also the in-memory twin of `RedisCache` in tests."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: LRUCache[bytes, _Entry] = LRUCache(max_bytes, getsizeof=_size)

    def get(self, key: bytes) -> bytes | None:
        """The answer that was put under this key, or None."""
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def put(self, key: bytes, answer: bytes) -> None:
        """Keeps an answer; one larger than the whole cache is not kept."""
        entry = key, answer
        with self._lock:
            if _size(entry) > self._entries.maxsize:
                self._entries.pop(key, None)
                return
            self._entries[key] = entry
            if len(self._entries) > self._max_entries:
                self._entries.popitem()

    def drop(self, unwanted: Callable[[bytes], bool]) -> None:
        """Drops the answers under some keys."""
        with self._lock:
            for key in [key for key in self._entries if unwanted(key)]:
                self._entries.pop(key)

    @property
    def entry_count(self) -> int:
        """Answers kept now."""
        return len(self._entries)

    @property
    def byte_count(self) -> int:
        """Memory that they take, about."""
        return int(self._entries.currsize)


def _size(entry: _Entry) -> int:
    key, answer = entry
    return sys.getsizeof(key) + sys.getsizeof(answer) + _ENTRY_OVERHEAD


class Answers:
    """Looks answers up in the process, then in Redis, and computes what neither holds.

    Args:
        process: None if the process keeps no answers.
        redis: None if servers share none.
    """

    def __init__(self, metrics: Metrics, process: MemoryCache | None, redis: RedisCache | None) -> None:
        self._process = process
        self._redis = redis
        self._lock = threading.Lock()
        self._flights: dict[bytes, _Flight] = {}
        self._hurried_cost = CostEstimate(0.002)
        outcomes = ("miss", "hit")
        self._process_looks = tuple(metrics.cache_lookups.labels("process", outcome) for outcome in outcomes)
        self._redis_looks = tuple(metrics.cache_lookups.labels("redis", outcome) for outcome in outcomes)
        self._left, self._joined = (metrics.cache_lookups.labels("flight", outcome) for outcome in outcomes)

    @property
    def are_kept(self) -> bool:
        """Whether answers are kept anywhere."""
        return self._process is not None or self._redis is not None

    def at_hand(self, key: bytes) -> bytes | None:
        """The answer if the process holds it; does not wait. If it does not, `find` counts the miss."""
        found = self._near(key)
        if found is not None:
            self._process_looks[True].inc()
        return found

    def find(self, key: bytes) -> bytes | None:
        """The answer if a cache holds it."""
        found = None
        if self._process is not None:
            found = self._process.get(key)
            self._process_looks[found is not None].inc()
        if found is None and self._redis is not None and not _is_own(key):
            found = self._redis.get(key)
            self._redis_looks[found is not None].inc()
            if found is not None:
                self._put_near(key, found)
        return found

    def answer(self, key: bytes, compute: Callable[[Budget], Computed], new_budget: Callable[[], Budget]) -> bytes:
        """The answer: found, or computed by `join_or_compute`.

        Args:
            new_budget: when the answer must be ready; asked only if no cache holds it.
        """
        found = self.find(key)
        return found if found is not None else self.join_or_compute(key, compute, new_budget())

    def join_or_compute(self, key: bytes, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        """The answer that no cache held: computed, or awaited from a caller who asked the same before.

        A caller that waits for another's computation stops in time to compute an answer without the slow parts. If the
        other had too little time for a whole answer, a caller with more time computes it again.

        Args:
            compute: makes the answer within a budget; its error reaches all who wait for it.
            budget: when the answer must be ready.
        """
        while True:
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight(allowed_s=budget.remaining_s())
            if leads:
                return self._lead(key, compute, budget)
            done, _ = wait([flight.computed], max(budget.remaining_s() - 2 * self._hurried_cost.mean_s, 0.0))
            if not done:
                return self._hurry(compute, budget)
            self._joined.inc()
            computed = flight.computed.result()
            if computed.keep or budget.remaining_s() < flight.allowed_s:
                return computed.payload

    def prepare(self, key: bytes, compute: Callable[[], Computed]) -> bool:
        """Puts an answer into all caches before somebody asks; True if none held it. These look-ups are not counted."""
        if self._near(key) is not None:
            return False
        if self._redis is not None and (found := self._redis.get(key)) is not None:
            self._put_near(key, found)
            return False
        computed = compute()
        if computed.keep:
            self.keep(key, computed.payload)
        return True

    def keep(self, key: bytes, answer: bytes) -> None:
        """Puts an answer that was computed elsewhere into all caches."""
        self._put_near(key, answer)
        if self._redis is not None and not _is_own(key):
            self._redis.put(key, answer)

    def forget_users(self) -> None:
        """Drops all answers that were for one user alone."""
        if self._process is not None:
            self._process.drop(_is_own)

    def start(self) -> None:
        """Connects to Redis; the log says if answers are not kept or not shared."""
        if not self.are_kept:
            _log.info("no_cache", effect="no answers are kept")
        elif self._redis is None:
            _log.info("no_redis", effect="answers are kept in this process alone")
        elif not self._redis.ping():
            kept = "kept" if self._process is None else "shared"
            _log.warning("redis_unreachable", effect=f"answers are not {kept} until it answers")

    def close(self) -> None:
        """Closes Redis's connections."""
        if self._redis is not None:
            self._redis.close()

    def _hurry(self, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        """The answer without the parts that can be left out: another caller computes them, and it takes too long."""
        self._left.inc()
        with self._hurried_cost.measured():
            return compute(Budget(budget.clock(), budget.clock, limit=budget.limit)).payload

    def _lead(self, key: bytes, compute: Callable[[Budget], Computed], budget: Budget) -> bytes:
        try:
            # the process first: another caller may have finished between this one's look and its turn to lead
            found = self._near(key)
            computed = compute(budget) if found is None else Computed(payload=found, keep=True)
            if computed.keep and found is None:
                self._put_near(key, computed.payload)
        except BaseException as error:
            self._land(key).set_exception(error)
            raise
        self._land(key).set_result(computed)
        if computed.keep and found is None and self._redis is not None and not _is_own(key):
            self._redis.put(key, computed.payload)
        return computed.payload

    def _land(self, key: bytes) -> Future[Computed]:
        """Ends a flight; its outcome is then set, which lets go on whoever waits."""
        with self._lock:
            return self._flights.pop(key).computed

    def _near(self, key: bytes) -> bytes | None:
        return None if self._process is None else self._process.get(key)

    def _put_near(self, key: bytes, answer: bytes) -> None:
        if self._process is not None:
            self._process.put(key, answer)


def open_answers(settings: ServerSettings, metrics: Metrics) -> Answers:
    """Answers that are kept where the settings say.

    Raises:
        ConfigError: redis-py does not know a parameter of Redis's URL.
    """
    process, shared = None, None
    if settings.cache in ("all", "process"):
        process = MemoryCache(max_entries=settings.cache_entries, max_bytes=settings.cache_mb * 1024 * 1024)
        metrics.watch(metrics.cache_entries, lambda: process.entry_count)
        metrics.watch(metrics.cache_bytes, lambda: process.byte_count)
    if settings.cache in ("all", "redis") and settings.redis is not None:
        from service.cache.redis_cache import RedisCache  # takes as long as half of the other imports

        timeout_s = settings.redis_timeout_ms / 1000
        shared = RedisCache(settings.redis, timeout_s=timeout_s, ttl_s=settings.redis_ttl_s, metrics=metrics)
    return Answers(metrics, process, shared)


def answer_key(method: str, model: Model | LiveModel, asked: object, *, shared: bool = True) -> bytes:
    """The key of an answer. It shows the method, the model and its version, but only a digest of what was typed.

    What a bundle denies is part of its version; what is taken down at present is part of what was asked.

    Args:
        asked: all that was asked. Its `repr` must show it whole, as that of a tuple or a data class does, so that
            whatever is added to it stands in the key as well.
        shared: whether it is for everybody who asks this. An answer for one user alone never leaves the process.
    """
    digest = hashlib.blake2b(repr(asked).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{method}:{model.name}:{model.version}:{digest}".encode() + (b"" if shared else _OWN)


def _is_own(key: bytes) -> bool:
    return key.endswith(_OWN)
