"""The own queries of users in the Redis of the live state: for each user a sorted set, by when each was submitted last,
and a hash of how it was written and how often.

None of them expires by itself, for a Redis that is full evicts what does: each write removes what is too old.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from service.live.events.event import Event
from service.live.stores.redis_link import PREFIX, RedisLink
from service.live.users.histories import HistoryLimits, submitted
from suggest.own import OwnQuery

ACTIVE = f"{PREFIX}:history_users"
"""Users by when one of their queries was added last."""
# Adds a query to the history of a user, whose keys are `order` and `rows`. `active` is the set of users.
TAKE_QUERY = """
local function trim_history(order, rows, before)
  local old = redis.call('ZRANGEBYSCORE', order, '-inf', '(' .. before)
  for _, each in ipairs(old) do redis.call('ZREM', order, each) redis.call('HDEL', rows, each) end
end
local function trim_histories(active, before, most)
  for _, user in ipairs(redis.call('ZRANGEBYSCORE', active, '-inf', '(' .. before, 'LIMIT', 0, most)) do
    redis.call('DEL', active .. ':' .. user, active .. ':' .. user .. ':rows')
    redis.call('ZREM', active, user)
  end
end
local function take_query(active, user, packed, before, most)
  local order, rows = active .. ':' .. user, active .. ':' .. user .. ':rows'
  local query = cjson.decode(packed)
  local field, display, last = query[1], query[2], query[3]
  local times, score = 1, tonumber(redis.call('ZSCORE', order, field) or '-inf')
  local known = redis.call('HGET', rows, field)
  if known then
    known = cjson.decode(known)
    times = known[2] + 1
    if score > tonumber(last) then display, last = known[1], nil end
  end
  redis.call('HSET', rows, field, cjson.encode({display, times}))
  if last then redis.call('ZADD', order, last, field) end
  trim_history(order, rows, before)
  local excess = redis.call('ZCARD', order) - most
  if excess > 0 then
    for _, each in ipairs(redis.call('ZRANGE', order, 0, excess - 1)) do redis.call('HDEL', rows, each) end
    redis.call('ZREMRANGEBYRANK', order, 0, excess - 1)
  end
  if redis.call('ZCARD', order) == 0 then redis.call('ZREM', active, user) return end
  redis.call('ZADD', active, redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2], user)
end
"""
TRIM_HISTORIES = (
    TAKE_QUERY + "trim_histories(KEYS[1], ARGV[1], 100) return redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])"
)
FORGET_HISTORY = "redis.call('ZREM', KEYS[1], ARGV[1]) return redis.call('DEL', KEYS[2], KEYS[3])"
_READ = """
local rows, found = redis.call('HGETALL', KEYS[2]), {}
for at = 1, #rows, 2 do
  found[#found + 1] = rows[at]
  found[#found + 1] = rows[at + 1]
  found[#found + 1] = redis.call('ZSCORE', KEYS[1], rows[at])
end
return found
"""


class RedisHistories:
    """See `HistoryLog`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def of(self, user: str) -> list[tuple[str, OwnQuery]]:
        """See `HistoryLog`."""
        keys = history_keys(user)
        found = self._link.ask(lambda client: client.eval(_READ, len(keys), *keys))
        return [_read(*found[at : at + 3]) for at in range(0, len(found), 3)]

    def close(self) -> None:
        """Ends its connections."""
        self._link.close()


def packed_query(event: Event) -> str:
    """What an event adds to a history, as `take_query` reads it; empty if nothing."""
    query = submitted(event)
    if query is None:
        return ""
    return json.dumps([f"{event.model}\n{query.text}", query.display, _number(query.last_s)])


def history_arguments(limits: HistoryLimits, now_s: float) -> Sequence[object]:
    """What `take_query` takes besides: before which time queries are too old, and how many are kept."""
    return [_number(now_s - limits.seconds), limits.queries]


def history_keys(user: str) -> tuple[str, str]:
    """Where the history of a user lies."""
    return f"{ACTIVE}:{user}", f"{ACTIVE}:{user}:rows"


def _read(field: bytes, row: bytes, last_s: bytes) -> tuple[str, OwnQuery]:
    model, _, text = field.decode().partition("\n")
    display, times = json.loads(row)
    return model, OwnQuery(text, display, float(last_s), int(times))


def _number(at_s: float) -> str:
    return f"{at_s:.3f}"
