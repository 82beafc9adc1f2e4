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

_PATIENCE_S = 1.0


class NotOpenError(redis.ConnectionError):
    """No connection is open, and this thread may not open one."""


class _Thread(threading.local):
    """What is true of the current thread."""

    may_connect = False


class RedisClients:
    """Makes clients for a URL. Only threads that called `may_connect` open connections; others get a `NotOpenError`.

    Args:
        timeout_s: how long a client waits for an answer.
        patience_s: to connect, for each answer to a greeting, and for what a cluster says of itself at first.

    Raises:
        ValueError: redis-py does not know a parameter of the URL.
    """

    def __init__(self, url: RedisUrl, timeout_s: float, *, patience_s: float = _PATIENCE_S) -> None:
        self._thread = _Thread()
        self._url = url
        self._sentinel: Any = None
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._once = _once(patience_s)
        self._options: dict[str, Any] = self._once | parse_url(url.server)  # type: ignore[no-untyped-call]
        # RESP3 would let a server lengthen time limits; a name of the driver costs two round trips
        self._options |= {"protocol": 2, "driver_info": None, "decode_responses": False}
        self._kind: Any = self._options.pop("connection_class", Connection)
        try:
            self._kind(**self._options)
        except (TypeError, redis.RedisError) as error:
            raise ValueError(f"redis-py does not know a parameter ({error})") from None

    def may_connect(self) -> None:
        """Lets the current thread open connections."""
        self._thread.may_connect = True

    def connect(self) -> Any:
        """A `redis.Redis`, or a `redis.RedisCluster`.

        Raises:
            redis.RedisError: no server of the cluster can be reached.
            redis.exceptions.RedisClusterException: the same.
        """
        if self._url.kind == "cluster":
            return self._cluster()
        if self._url.kind == "sentinel":
            return self._master()
        # only a client that owns its pool closes the pool's connections
        return redis.Redis.from_pool(ConnectionPool(connection_class=self._limited(self._kind), **self._options))

    def close(self, client: Any) -> None:
        """Ends all connections of the last client that `connect` made."""
        client.close()
        if self._url.kind == "cluster":  # closing it leaves its nodes' connections open
            client.disconnect_connection_pools()
        if self._sentinel is not None:
            self._sentinel.close()

    def _cluster(self) -> redis.RedisCluster:
        (host, port), *others = self._url.hosts
        options = {name: value for name, value in self._options.items() if name not in ("host", "port", "db", "retry")}
        timeout_s, self._timeout_s = self._timeout_s, self._patience_s
        try:
            cluster = redis.RedisCluster(
                # redis-py uses our connections only if it is given a URL
                url=f"redis://{f'[{host}]' if ':' in host else host}:{port}",
                startup_nodes=[ClusterNode(*other) for other in others],  # type: ignore[no-untyped-call]
                retry=self._once["retry"],
                require_full_coverage=False,
                connection_class=self._limited(self._kind),
                **options,
            )
        finally:
            self._timeout_s = timeout_s
        cluster.disconnect_connection_pools()  # type: ignore[no-untyped-call]
        return cluster

    def _master(self) -> Any:
        secure = issubclass(self._kind, SSLConnection)
        kind = self._limited(SentinelManagedSSLConnection if secure else SentinelManagedConnection)
        self._sentinel = Sentinel(self._url.hosts, sentinel_kwargs={**self._once, **self._url.sentinel})  # type: ignore[no-untyped-call]
        return self._sentinel.master_for(self._url.service, connection_class=kind, **self._options)

    def _limited(self, kind: Any) -> Any:
        clients = self

        class LimitedConnection(kind):  # type: ignore[misc]
            """A connection that only some threads open, patiently, and that then waits no longer than callers do."""

            def connect(self) -> None:
                """Connects if need be; redis-py calls it before each use."""
                if self.is_connected:
                    return
                if not clients._thread.may_connect:
                    raise NotOpenError("no connection is open")
                super().connect()
                self.update_current_socket_timeout(clients._timeout_s)

        return LimitedConnection


def _once(patience_s: float) -> dict[str, Any]:
    """Connects in bounded time and does not try again: the cache decides that."""
    return {"socket_connect_timeout": patience_s, "socket_timeout": patience_s, "retry": Retry(NoBackoff(), 0)}
