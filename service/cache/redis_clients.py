"""Clients of redis-py for each form of URL: they never try again by themselves, and one thread opens connections."""

from __future__ import annotations

import threading
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import Connection, ConnectionPool, SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from service.cache.redis_url import RedisUrl

_CONNECT_TIMEOUT_S = 1.0
"""To connect, for each answer to a greeting, and for what a cluster says of itself at first. No caller waits for it."""


class TimeLimit(threading.local):
    """What the current thread may do. Every thread begins as a caller, which opens no connection.

    Attributes:
        seconds: how long it waits for an answer.
        may_connect: whether it opens connections.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.may_connect = False


class NotOpenError(redis.ConnectionError):
    """No connection is open, and this thread may not open one."""


class RedisClients:
    """Makes a client for a URL.

    Args:
        limit: holds for every connection.

    Raises:
        ValueError: redis-py does not know a parameter of the URL.
    """

    def __init__(self, url: RedisUrl, limit: TimeLimit) -> None:
        self._url = url
        self._limit = limit
        # RESP3 would let a server lengthen time limits; a name of the driver costs two round trips
        self._options: dict[str, Any] = _once() | {"protocol": 2, "driver_info": None} | parse_url(url.server)  # type: ignore[no-untyped-call]
        self._kind: Any = self._options.pop("connection_class", Connection)
        try:
            self._kind(**self._options)
        except (TypeError, redis.RedisError) as error:
            raise ValueError(f"redis-py does not know a parameter ({error})") from None

    def connect(self) -> Any:
        """A `redis.Redis`, or a `redis.RedisCluster`.

        Raises:
            redis.RedisError: no server of the cluster can be reached.
            redis.exceptions.RedisClusterException: the same.
        """
        if self._url.kind == "cluster":
            return self._cluster()
        if self._url.kind == "sentinel":
            return self._sentinel()
        return redis.Redis(connection_pool=ConnectionPool(connection_class=self._limited(self._kind), **self._options))

    def _cluster(self) -> redis.RedisCluster:
        (host, port), *others = self._url.hosts
        options = {name: value for name, value in self._options.items() if name not in ("host", "port", "db", "retry")}
        seconds, self._limit.seconds = self._limit.seconds, _CONNECT_TIMEOUT_S
        try:
            return redis.RedisCluster(
                # redis-py uses our connections only if it is given a URL
                url=f"redis://{f'[{host}]' if ':' in host else host}:{port}",
                startup_nodes=[ClusterNode(*other) for other in others],  # type: ignore[no-untyped-call]
                retry=_once()["retry"],
                require_full_coverage=False,
                connection_class=self._limited(self._kind),
                **options,
            )
        finally:
            self._limit.seconds = seconds

    def _sentinel(self) -> Any:
        secure = issubclass(self._kind, SSLConnection)
        kind = self._limited(SentinelManagedSSLConnection if secure else SentinelManagedConnection)
        sentinel: Any = Sentinel(self._url.hosts, sentinel_kwargs={**_once(), **self._url.sentinel})  # type: ignore[no-untyped-call]
        return sentinel.master_for(self._url.service, connection_class=kind, **self._options)

    def _limited(self, kind: Any) -> Any:
        limit = self._limit

        class LimitedConnection(kind):  # type: ignore[misc]
            """A connection that keeps to the time limit of the thread that uses it."""

            def connect(self) -> None:
                """Connects, if the thread may; redis-py calls it before each use."""
                if not self.is_connected:
                    if not limit.may_connect:
                        raise NotOpenError("no connection is open")
                    super().connect()
                self.update_current_socket_timeout(limit.seconds)

        return LimitedConnection


def _once() -> dict[str, Any]:
    """Connects in bounded time and does not try again: the breaker decides that."""
    return {
        "socket_connect_timeout": _CONNECT_TIMEOUT_S,
        "socket_timeout": _CONNECT_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }
