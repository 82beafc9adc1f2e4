"""The tiers that keep answers, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from service.cache.answers import Tier
from service.cache.memory_cache import MemoryCache
from service.config import ServerSettings
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from service.cache.redis_cache import RedisCache

_log = structlog.get_logger("service.server")


class Caches:
    """The process's cache and Redis, each if the settings ask for it.

    Raises:
        ConfigError: redis-py does not know a parameter of Redis's URL.
    """

    def __init__(self, settings: ServerSettings, metrics: Metrics) -> None:
        self.tiers: list[Tier] = []
        self._redis: RedisCache | None = None
        if settings.cache in ("all", "process"):
            cache = MemoryCache(max_entries=settings.cache_entries, max_bytes=settings.cache_mb * 1024 * 1024)
            metrics.watch(metrics.cache_entries, lambda: cache.entry_count)
            metrics.watch(metrics.cache_bytes, lambda: cache.byte_count)
            self.tiers.append(Tier(name="process", cache=cache))
        if settings.cache in ("all", "redis") and settings.redis is not None:
            from service.cache.redis_cache import RedisCache  # takes as long as half of the other imports

            timeout_s = settings.redis_timeout_ms / 1000
            self._redis = RedisCache(settings.redis, timeout_s=timeout_s, ttl_s=settings.redis_ttl_s, metrics=metrics)
            self.tiers.append(Tier(name="redis", cache=self._redis, shared=True))

    def start(self) -> None:
        """Connects to Redis; the log says if answers are not kept or not shared."""
        if not self.tiers:
            _log.info("no_cache", effect="no answers are kept")
        elif self._redis is None:
            _log.info("no_redis", effect="answers are kept in this process alone")
        elif not self._redis.ping():
            kept = "shared" if len(self.tiers) > 1 else "kept"
            _log.warning("redis_unreachable", effect=f"answers are not {kept} until it answers")

    def close(self) -> None:
        """Closes Redis's connections and forgets all answers."""
        for tier in self.tiers:
            tier.cache.close()
