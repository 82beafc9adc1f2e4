"""A client of the Redis that keeps the live state, which looks first whether that Redis keeps what it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
import structlog
from redis.exceptions import NoPermissionError, RedisClusterException

from lm.errors import StoreUnavailableError, UnsupportedError
from service.cache.redis_clients import RedisClients

PREFIX = "autocomplete:{live}:1"
"""Of all keys; they lie in one slot of a cluster. The figure is the format's."""
_T = TypeVar("_T")
_WAIT_MS = 1000
_log = structlog.get_logger("service.live")


class RedisLink:
    """A client that is made when it is needed, and anew after a failure; one thread at a time uses it."""

    def __init__(self, clients: RedisClients) -> None:
        self._clients = clients
        self._client: Any = None
        self._lock = threading.Lock()
        self._checked = False
        self._closed = False

    def ask(self, work: Callable[[Any], _T]) -> _T:
        """What the work gets out of Redis.

        Raises:
            StoreUnavailableError: it does not answer, or takes nothing.
        """
        with self._lock, self._explained():
            if self._closed:
                raise StoreUnavailableError("The server ends.")
            if self._client is None:
                self._clients.may_connect()
                self._client = self._clients.connect()
            self._clients.may_connect()  # whichever thread this is
            return work(self._client)

    def write(self, script: str, keys: Sequence[str], arguments: Sequence[object], *, replicas: int) -> Any:
        """What a script returns that changes something, once what it wrote is kept.

        Args:
            replicas: of the server that must have it too.

        Raises:
            StoreUnavailableError: it does not answer, or takes nothing.
            UnsupportedError: this Redis would lose it.
        """

        def work(client: Any) -> Any:
            self.check(replicas)
            if not replicas:
                return client.eval(script, len(keys), *keys, *arguments)
            pipeline = client.pipeline(transaction=False)  # waits on the connection that has written
            result, reached = pipeline.eval(script, len(keys), *keys, *arguments).wait(replicas, _WAIT_MS).execute()
            if reached < replicas and result:
                raise redis.ConnectionError(f"only {reached} of {replicas} replicas have it")
            return result

        return self.ask(work)

    def check(self, replicas: int) -> None:
        """Looks once whether this Redis keeps what it takes; belongs into `ask`.

        Raises:
            UnsupportedError: it does not.
        """
        if self._checked:
            return
        try:
            told = [self._client.info("persistence"), self._client.info("memory")]
        except NoPermissionError:
            _log.warning("live_not_checked", effect="nobody knows whether this Redis keeps take-downs")
            self._checked = True
            return
        nodes = [info for each in told for info in (each.values() if _is_nested(each) else [each])]
        if not replicas and any(not info["aof_enabled"] for info in nodes if "aof_enabled" in info):
            raise UnsupportedError(
                "This Redis keeps nothing on its disk, so it would lose the change.",
                remedy="Set `appendonly yes` there, wait for its replicas (--live-replicas), or name another --live.",
            )
        policies = {info["maxmemory_policy"] for info in nodes if info.get("maxmemory")}
        if any(policy.startswith("allkeys") for policy in policies):
            raise UnsupportedError(
                "This Redis evicts any key if its memory is full, so it might lose the change.",
                remedy="Set `maxmemory-policy volatile-lru` there, or name another --live.",
            )
        self._checked = True

    def close(self) -> None:
        """Ends its connections, for good."""
        with self._lock:
            self._closed = True
            self._drop()

    def _drop(self) -> None:
        self._checked = False
        if self._client is not None:
            self._clients.close(self._client)
            self._client = None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, RedisClusterException, OSError) as error:
            self._drop()
            why = str(error).rstrip(".")
            raise StoreUnavailableError(f"The Redis of the live state cannot be used: {why}.") from None


def _is_nested(info: dict[str, Any]) -> bool:
    """Whether it is what several servers of a cluster say."""
    return all(isinstance(value, dict) for value in info.values())
