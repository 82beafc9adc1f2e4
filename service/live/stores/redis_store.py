"""The live state in Redis, which replicas share: a stream is the log, a hash the state.

Each write is one script, so it is taken whole or not at all, whoever writes besides. All keys lie in one slot of a
cluster. They do not expire, so a Redis that keeps answers too must evict only keys that do.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import structlog

from lm.errors import ConfigError
from service.cache.redis_clients import RedisClients
from service.cache.redis_url import read_redis_url
from service.live.changes import Change, Position, Snapshot, pack, unpack
from service.live.stores.redis_events import RedisEvents
from service.live.stores.redis_histories import RedisHistories
from service.live.stores.redis_link import PREFIX, RedisLink
from service.live.users.histories import HistoryLimits

_NUMBER, _ORIGIN, _LOG, _STATE = (f"{PREFIX}:{name}" for name in ("number", "origin", "log", "state"))
_SECRET = f"{PREFIX}:secret"
_TIMEOUT_S = 2.0
_HISTORY_TIMEOUT_S = 0.2
"""Answers wait for it."""
_LONGEST_BLOCK_S = 1.0
_AT_ONCE = 1000
# ARGV: a name for the log; then for each change its field, expected number or -1, whether it is a removal, and itself
_TAKE = """
local count = (#ARGV - 1) / 4
for at = 1, count do
  local expected = tonumber(ARGV[at * 4 - 1])
  if expected >= 0 then
    local now = redis.call('HGET', KEYS[4], ARGV[at * 4 - 2])
    if (now and tonumber(string.match(now, '^%d+')) or 0) ~= expected then return 0 end
  end
end
local number = tonumber(redis.call('GET', KEYS[1]) or '0')
for at = 1, count do
  local field, change = ARGV[at * 4 - 2], ARGV[at * 4 + 1]
  number = number + 1
  redis.call('XADD', KEYS[3], number .. '-0', 'change', change)
  redis.call('SET', KEYS[1], number)
  if ARGV[at * 4] == '1' then
    redis.call('HDEL', KEYS[4], field)
    redis.call('ZREM', KEYS[4 + at], field)
  else
    redis.call('HSET', KEYS[4], field, number .. ' ' .. change)
    redis.call('ZADD', KEYS[4 + at], number, field)
  end
end
redis.call('SETNX', KEYS[2], ARGV[1])
return number
"""
_SNAPSHOT = "return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('HVALS', KEYS[4])}"
_T = TypeVar("_T")
_log = structlog.get_logger("service.live")


class RedisStore:
    """See `LiveStore`.

    Args:
        url: see `service.cache.redis_url`.
        replicas: of the server that must have a change before it counts as taken.

    Raises:
        ConfigError: the URL cannot be used.
    """

    def __init__(self, url: str, *, replicas: int = 0, limits: HistoryLimits = HistoryLimits()) -> None:  # noqa: B008 -- immutable
        try:
            form = read_redis_url(url)
            self._asking, self._following = (RedisLink(RedisClients(form, _TIMEOUT_S)) for _ in range(2))
            self._events = RedisEvents(RedisLink(RedisClients(form, _TIMEOUT_S)), replicas, limits)
            self._histories = RedisHistories(
                RedisLink(RedisClients(form, _HISTORY_TIMEOUT_S, patience_s=_HISTORY_TIMEOUT_S))
            )
        except ValueError as error:
            raise ConfigError(f"--live: {error}.", remedy="Such as redis://HOST:6379/0.") from None
        if replicas and form.kind == "cluster":
            raise ConfigError(
                "--live-replicas: redis-py cannot wait for replicas of a cluster.",
                remedy="Set it to 0, or name one server or a service of sentinels.",
            )
        self._replicas = replicas

    def put(self, change: Change, *, expected: int) -> Change | None:
        """See `LiveStore`.

        Raises:
            UnsupportedError: this Redis would lose it.
        """
        taken = self._take([change], expected)
        return taken[0] if taken else None

    def append(self, changes: Sequence[Change]) -> list[Change]:
        """See `LiveStore`.

        Raises:
            UnsupportedError: this Redis would lose them.
        """
        return self._take(changes, -1)

    def get(self, kind: str, key: str) -> Change | None:
        """See `LiveStore`."""
        found = self._asking.ask(lambda client: client.hget(_STATE, _field(kind, key)))
        return None if found is None else _read(found)

    def page(self, kind: str, *, before: int | None = None, count: int) -> list[Change]:
        """See `LiveStore`."""
        last = "+inf" if before is None else f"({before}"

        def read(client: Any) -> list[bytes | None]:
            fields = client.zrevrangebyscore(_order(kind), last, "-inf", start=0, num=count)
            found: list[bytes | None] = client.hmget(_STATE, fields) if fields else []
            return found

        return [_read(value) for value in self._asking.ask(read) if value is not None]

    def log(self, *, after: int, count: int) -> list[Change]:
        """See `LiveStore`."""
        return _entries(self._asking.ask(lambda client: client.xrange(_LOG, min=f"{after + 1}-0", count=count)))

    def snapshot(self) -> Snapshot:
        """See `LiveStore`."""
        keys = (_NUMBER, _ORIGIN, _LOG, _STATE)
        number, origin, state = self._following.ask(lambda client: client.eval(_SNAPSHOT, len(keys), *keys))
        position = Position((origin or b"").decode(), int(number or 0))
        return Snapshot(position, sorted(map(_read, state), key=lambda change: change.number))

    def follow(self, position: Position, timeout_s: float) -> list[Change] | None:
        """See `LiveStore`."""
        block_ms = max(int(min(timeout_s, _LONGEST_BLOCK_S) * 1000), 1)

        def read(client: Any) -> tuple[list[Any], Position]:
            found = client.xread({_LOG: f"{position.number}-0"}, count=_AT_ONCE, block=block_ms)
            number, origin = client.mget(_NUMBER, _ORIGIN)
            streams = list(found.values()) if isinstance(found, dict) else [entries for _, entries in found]
            return streams[0] if streams else [], Position((origin or b"").decode(), int(number or 0))

        entries, now = self._following.ask(read)
        changes = _entries(entries)
        if now.origin != position.origin or now.number < position.number:
            return None
        if changes and changes[0].number != position.number + 1:
            return None
        return changes

    def secret(self) -> str:
        """See `LiveStore`.

        Raises:
            UnsupportedError: this Redis would lose it.
        """

        def read(client: Any) -> bytes:
            self._asking.check(self._replicas)
            client.set(_SECRET, secrets.token_hex(32), nx=True)
            found: bytes = client.get(_SECRET)
            return found

        return self._asking.ask(read).decode()

    @property
    def events(self) -> RedisEvents:
        """See `LiveStore`."""
        return self._events

    @property
    def histories(self) -> RedisHistories:
        """See `LiveStore`."""
        return self._histories

    def close(self) -> None:
        """See `LiveStore`."""
        self._events.close()
        self._histories.close()
        self._asking.close()
        self._following.close()

    def _take(self, changes: Sequence[Change], expected: int) -> list[Change]:
        """Takes changes; returns none if a key is not as expected."""
        packed = [pack(change) for change in changes]
        keys = [_NUMBER, _ORIGIN, _LOG, _STATE, *(_order(change.kind) for change in changes)]
        arguments: list[object] = [secrets.token_hex(8)]
        for change, text in zip(changes, packed, strict=True):
            arguments += [_field(change.kind, change.key), expected, int(change.value is None), text]

        last = int(self._asking.write(_TAKE, keys, arguments, replicas=self._replicas))
        first = last - len(changes) + 1
        return [unpack(text, first + place) for place, text in enumerate(packed)] if last else []


def _field(kind: str, key: str) -> str:
    return f"{kind} {key}"


def _order(kind: str) -> str:
    return f"{PREFIX}:order:{kind}"


def _read(value: bytes) -> Change:
    number, _, packed = value.partition(b" ")
    return unpack(packed, int(number))


def _entries(entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Change]:
    return [unpack(fields[b"change"], int(name.partition(b"-")[0])) for name, fields in entries]
