"""Events in the Redis of the live state: a stream, and a sorted set of the ids that came within a day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.live.events.event import ONCE_S, Checkpoint, Event, id_digest, known_events, number_at, pack_event
from service.live.stores.redis_histories import (
    ACTIVE,
    FORGET_HISTORY,
    TAKE_QUERY,
    TRIM_HISTORIES,
    history_arguments,
    history_keys,
    packed_query,
)
from service.live.stores.redis_link import PREFIX, RedisLink
from service.live.users.histories import HistoryLimits

_EVENTS, _NUMBER, _IDS = (f"{PREFIX}:{name}" for name in ("events", "event_number", "event_ids"))
# ARGV: the number of now, that of a day ago; before when own queries are too old, and how many are kept; then for each
# event the digest of its id, its user, what it adds to the user's own queries, and itself.
# Numbers have 16 digits: Lua's are exact up to there, but print them otherwise.
_WRITE = (
    TAKE_QUERY
    + """
local now, old = tonumber(ARGV[1]), redis.call('ZCOUNT', KEYS[3], '-inf', ARGV[2])
local number = tonumber(redis.call('GET', KEYS[2]) or '0')
local taken = {}
if old > 0 then redis.call('ZREMRANGEBYRANK', KEYS[3], 0, math.min(old, 2 * #ARGV) - 1) end
if #ARGV > 4 then trim_histories(KEYS[4], ARGV[3], 2) end
for at = 5, #ARGV, 4 do
  local place = (at - 5) / 4 + 1
  taken[place] = '0'
  if ARGV[at] == '' or redis.call('ZADD', KEYS[3], 'NX', now, ARGV[at]) == 1 then
    number = math.max(number + 1, now)
    taken[place] = string.format('%.0f', number)
    redis.call('XADD', KEYS[1], taken[place] .. '-0', 'user', ARGV[at + 1], 'event', ARGV[at + 3])
    if ARGV[at + 2] ~= '' then take_query(KEYS[4], ARGV[at + 1], ARGV[at + 2], ARGV[3], tonumber(ARGV[4])) end
  end
end
redis.call('SET', KEYS[2], string.format('%.0f', number))
return taken
"""
)
# ARGV: a user, after which name to begin, how many to look at. Returns the last name, and how many were removed.
_FORGET = """
local found, removed = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3]), 0
for _, each in ipairs(found) do
  if each[2][2] == ARGV[1] then removed = removed + redis.call('XDEL', KEYS[1], each[1]) end
end
return {#found > 0 and found[#found][1] or '', removed}
"""
_KEEP = """
local now = redis.call('HGET', KEYS[1], 'number')
if now and tonumber(now) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'data', ARGV[2])
return 1
"""
_LOOKED_AT = 5_000
"""Entries of the stream in one step of forgetting, a few milliseconds in which Redis answers nobody else."""


class RedisEvents:
    """See `EventLog`; writing raises `UnsupportedError` if this Redis would lose what it takes."""

    def __init__(self, link: RedisLink, replicas: int, limits: HistoryLimits) -> None:
        self._link = link
        self._limits = limits
        self._replicas = replicas

    def write(self, events: Sequence[Event], *, now_s: float) -> list[int]:
        """See `EventLog`."""
        arguments: list[object] = [number_at(now_s), number_at(now_s - ONCE_S)]
        arguments += history_arguments(self._limits, now_s)
        for event in events:
            own = packed_query(event) if self._limits.queries else ""
            arguments += [id_digest(event.event_id), event.user, own, pack_event(event)]
        return [*map(int, self._write(_WRITE, [_EVENTS, _NUMBER, _IDS, ACTIVE], arguments))] if events else []

    def after(self, number: int, count: int) -> list[Event]:
        """See `EventLog`."""

        def read(number: int) -> list[tuple[bytes, int]]:
            found = self._link.ask(lambda client: client.xrange(_EVENTS, min=f"{number + 1}-0", count=count))
            return [(fields[b"event"], int(name.partition(b"-")[0])) for name, fields in found]

        return known_events(read, number, count)

    def forget(self, user: str) -> int:
        """See `EventLog`."""
        forgotten, start = 0, "-"
        if user:
            self._write(FORGET_HISTORY, [ACTIVE, *history_keys(user)], [user])
        while user:
            last, removed = self._write(_FORGET, [_EVENTS], [user, start, _LOOKED_AT])
            forgotten += removed
            if not last:
                break
            start = f"({last.decode()}"
        return forgotten

    def trim(self, *, now_s: float, before_s: float, most: int) -> None:
        """See `EventLog`."""

        def work(client: Any) -> None:
            client.xtrim(_EVENTS, minid=f"{number_at(before_s)}-0", approximate=False)
            client.xtrim(_EVENTS, maxlen=most, approximate=False)

        self._link.ask(work)
        before, _ = history_arguments(self._limits, now_s)
        while int(self._link.ask(lambda client: client.eval(TRIM_HISTORIES, 1, ACTIVE, before))):
            pass

    def checkpoint(self, name: str) -> Checkpoint | None:
        """See `EventLog`."""
        number, data = self._link.ask(lambda client: client.hmget(_checkpoint(name), "number", "data"))
        return None if data is None else Checkpoint(int(number), data)

    def checkpoint_number(self, name: str) -> int:
        """See `EventLog`."""
        return int(self._link.ask(lambda client: client.hget(_checkpoint(name), "number")) or 0)

    def keep_checkpoint(self, name: str, checkpoint: Checkpoint) -> None:
        """See `EventLog`."""
        self._write(_KEEP, [_checkpoint(name)], list(checkpoint))

    def close(self) -> None:
        """Ends its connections."""
        self._link.close()

    def _write(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        return self._link.write(script, keys, arguments, replicas=self._replicas)


def _checkpoint(name: str) -> str:
    return f"{PREFIX}:checkpoint:{name}"
