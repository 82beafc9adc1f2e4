"""Which Redis server holds a key, and connections to it: one server, what sentinels name, or a cluster's masters.

Callers take connections that are open and give them back; opening them, and asking who is where, is for the thread
behind the cache alone, as it takes round trips.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.retry import Retry
from redis.sentinel import Sentinel

from service.cache.redis_url import RedisUrl

_CONNECT_TIMEOUT_S = 1.0
"""To connect, to greet and to ask who is where: several round trips, with TLS, that no caller waits for."""


class Wire(Protocol):
    """What is used of redis-py's connections."""

    def send_command(self, *parts: str | bytes, check_health: bool) -> None:
        """Sends a command."""

    def pack_commands(self, commands: Sequence[tuple[str | bytes, ...]]) -> list[bytes]:
        """Several commands as they are sent."""

    def send_packed_command(self, command: list[bytes], check_health: bool) -> None:
        """Sends them."""

    def read_response(self, disable_decoding: bool = False) -> object:
        """The next reply; raises it if it is an error."""

    @property
    def is_connected(self) -> bool:
        """Whether it is open on this side; all but `disconnect` would connect one that is not."""

    def can_read(self) -> bool:
        """Whether something waits to be read, the end included."""

    def disconnect(self) -> None:
        """Closes it."""


class Node:
    """A server with its open connections that nobody uses now."""

    def __init__(self, connect: Callable[[], Wire]) -> None:
        self._connect = connect
        self._idle = deque[Wire]()
        self._own: Wire | None = None
        self.wanted = False

    def take(self) -> Wire | None:
        """A connection, the one that was used last; None if none is free. No lock: each step is one of C."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def give(self, connection: Wire) -> None:
        """Takes a connection back, or a new one. Whoever took a closed one would wait for it to connect."""
        if connection.is_connected:
            self._idle.append(connection)

    def open(self) -> None:
        """Has one more connection ready.

        Raises:
            redis.RedisError: the server cannot be reached.
        """
        self.wanted = False
        self.give(self._connect())

    def ping(self) -> None:
        """Asks for a sign of life on a new connection, and has that one ready.

        Raises:
            redis.RedisError: the server cannot be reached, or not in time.
        """
        self.wanted = False
        connection = self._connect()
        try:
            connection.send_command("PING", check_health=False)
            connection.read_response()
        except redis.RedisError:
            connection.disconnect()
            raise
        self.give(connection)

    def own(self) -> Wire:
        """The connection of the thread behind the cache, opened anew where it is broken.

        Raises:
            redis.RedisError: the server cannot be reached.
        """
        if self._own is not None and _is_broken(self._own):
            self._own.disconnect()
            self._own = None
        if self._own is None:
            self._own = self._connect()
        return self._own

    def close(self) -> None:
        """Closes the connections that nobody uses."""
        connections = [self._own] if self._own is not None else []
        self._own = None
        while (idle := self.take()) is not None:
            connections.append(idle)
        for connection in connections:
            connection.disconnect()


class Nodes(Protocol):
    """The servers behind an URL."""

    def locate(self, key: bytes) -> Node | None:
        """The server that holds a key, as far as is known."""

    def all(self) -> Iterable[Node]:
        """All servers that are known."""

    def refresh(self) -> None:
        """Asks anew who is where.

        Raises:
            redis.RedisError: nobody can be asked.
        """


class SingleNode:
    """One server for all keys; which one, `connect` may find out anew each time."""

    def __init__(self, connect: Callable[[], Wire]) -> None:
        self._node = Node(connect)

    def locate(self, key: bytes) -> Node | None:  # noqa: ARG002
        """See `Nodes.locate`."""
        return self._node

    def all(self) -> Iterable[Node]:
        """See `Nodes.all`."""
        return (self._node,)

    def refresh(self) -> None:
        """Lets go of the connections: what was the master may be one no more."""
        self._node.close()


class ClusterNodes:
    """The masters of a cluster, each with its range of slots."""

    def __init__(self, hosts: Iterable[tuple[str, int]], connect: Callable[[str, int], Wire]) -> None:
        self._hosts = tuple(hosts)
        self._connect = connect
        # both replaced, never changed, so that callers read them without a lock
        self._nodes: dict[tuple[str, int], Node] = {}
        self._slots: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS

    def locate(self, key: bytes) -> Node | None:
        """See `Nodes.locate`."""
        return self._slots[key_slot(key)]

    def all(self) -> Iterable[Node]:
        """See `Nodes.all`."""
        return self._nodes.values()

    def refresh(self) -> None:
        """See `Nodes.refresh`."""
        former, nodes = self._nodes, dict[tuple[str, int], Node]()
        slots: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, address in self._ask():
            if address not in nodes:
                nodes[address] = former.get(address) or Node(partial(self._connect, *address))
            slots[first : last + 1] = [nodes[address]] * (last + 1 - first)
        self._nodes, self._slots = nodes, slots
        for address, node in former.items():
            if address not in nodes:
                node.close()

    def _ask(self) -> list[tuple[int, int, tuple[str, int]]]:
        """First and last slot of each range, and its master, as the first server says that answers."""
        failure: redis.RedisError = redis.ConnectionError("no server of the cluster is known")
        for host, port in dict.fromkeys((*self._nodes, *self._hosts)):
            try:
                connection = self._connect(host, port)
                try:
                    connection.send_command("CLUSTER", "SLOTS", check_health=False)
                    ranges: Any = connection.read_response()
                finally:
                    connection.disconnect()
            except redis.RedisError as error:
                failure = error
                continue
            # no name of its own: the one by which it was asked
            return [(low, high, ((master[0] or b"").decode() or host, master[1])) for low, high, master, *_ in ranges]
        raise failure


def nodes_of(url: RedisUrl, timeout_s: float) -> Nodes:
    """The servers behind an URL; connects to none of them.

    Args:
        timeout_s: time that an answer may take on the connections.

    Raises:
        ValueError: a parameter of the URL is none that redis-py takes.
    """
    connect = _connector(url, timeout_s)
    if url.kind == "cluster":
        return ClusterNodes(url.hosts, lambda host, port: connect(host=host, port=port))
    if url.kind == "single":
        return SingleNode(connect)
    options = {**_once(), "socket_timeout": _CONNECT_TIMEOUT_S, **url.sentinel}
    sentinel: Any = Sentinel(url.hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]

    def connect_to_master() -> Wire:
        host, port = sentinel.discover_master(url.service)
        return connect(host=host, port=port)

    return SingleNode(connect_to_master)


def _connector(url: RedisUrl, timeout_s: float) -> Callable[..., Wire]:
    """What opens a connection, to the URL's server or to another `host` and `port`."""
    options = {**_once(), **_parsed(url.server), "socket_timeout": _CONNECT_TIMEOUT_S}
    # neither a greeting nor who connects: each is a round trip
    options |= {"protocol": 2, "driver_info": None}
    kind: Any = options.pop("connection_class", Connection)
    try:
        kind(**options)
    except (TypeError, redis.RedisError) as error:
        raise ValueError(f"a parameter is none that redis-py takes ({error})") from None

    def connect(**place: object) -> Wire:
        connection: Any = kind(**{**options, **place})
        connection.connect()
        connection.update_current_socket_timeout(timeout_s)
        wire: Wire = connection
        return wire

    return connect


def _parsed(url: str) -> dict[str, Any]:
    options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    return options


def _once() -> dict[str, Any]:
    """Connects in bounded time and does not try again by itself: that is the breaker's to allow."""
    return {"socket_connect_timeout": _CONNECT_TIMEOUT_S, "retry": Retry(NoBackoff(), 0)}


def _is_broken(connection: Wire) -> bool:
    """Whether either side has closed it, or something waits in it that nobody asked for."""
    try:
        return not connection.is_connected or connection.can_read()
    except (redis.RedisError, OSError):
        return True
