"""Users' own queries as answers read them: from the store, remembered for a moment.

What a replica remembers of a user is at most a second old, so what was written or forgotten anywhere holds for all
within two. A store that does not answer costs no answer more than a moment: for a while nobody has a history then.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from cachetools import LRUCache

from lm.errors import AutocompleteError
from service.live.users.histories import HistoryLimits, HistoryLog
from service.live.users.keys import UserKeys
from suggest.own import History, OwnQuery

_FRESH_S = 1.0
_REST_S = 1.0
_PATIENCE_S = 0.1
"""For so long an answer waits for others that ask the store, one at a time."""
_MOST_USERS = 10_000
"""Users that are remembered: of each there are some 20 KB at most."""
_log = structlog.get_logger("service.live")
Clock = Callable[[], float]


class Own(NamedTuple):
    """A user's own queries where one model answers.

    Attributes:
        version: names user and queries; empty if there are none, so that such users are all alike.
    """

    history: History = History()
    version: str = ""


NOBODY = Own()


@dataclass(slots=True)
class _Read:
    """What the store had at a moment, by model."""

    at_s: float
    by_model: Mapping[str, Own] = field(default_factory=dict)


class UserHistories:
    """Reads histories; threads may share it.

    Args:
        store: None if there is none, so that nobody has a history.
        clock: monotonic, in seconds.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self,
        store: HistoryLog | None,
        users: UserKeys,
        limits: HistoryLimits,
        *,
        clock: Clock,
        wall_clock: Clock,
    ) -> None:
        self._store = store if limits.queries else None
        self._users = users
        self._limits = limits
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._known: LRUCache[str, _Read] = LRUCache(_MOST_USERS)
        self._rests_until_s = clock()
        self._failed = False

    def at_hand(self, user_pseudo_id: str, model: str) -> Own | None:
        """What is remembered; None if the store must be asked. Does not wait."""
        if self._store is None or not user_pseudo_id:
            return NOBODY
        if not self._users.is_ready:
            return None
        with self._lock:
            read = self._known.get(self._users.of(user_pseudo_id))
        if read is None or self._clock() - read.at_s >= _FRESH_S:
            return None
        return read.by_model.get(model, NOBODY)

    def of(self, user_pseudo_id: str, model: str) -> Own:
        """What a user has searched for where a model answers; may ask the store."""
        known = self.at_hand(user_pseudo_id, model)
        if known is not None:
            return known
        if self._clock() < self._rests_until_s or not self._asking.acquire(timeout=_PATIENCE_S):
            return NOBODY
        try:
            if self._clock() < self._rests_until_s:  # whoever was before has found that it is away
                return NOBODY
            return self._read(user_pseudo_id).by_model.get(model, NOBODY)
        except AutocompleteError as error:
            self._rests_until_s = self._clock() + _REST_S
            if not self._failed:
                self._failed = True
                _log.error("live_histories_lost", error=str(error), effect="nobody's own queries are suggested")
            return NOBODY
        finally:
            self._asking.release()

    def drop(self) -> None:
        """Drops all that is remembered."""
        with self._lock:
            self._known.clear()

    def _read(self, user_pseudo_id: str) -> _Read:
        assert self._store is not None
        user, at_s, now_s = self._users.of(user_pseudo_id), self._clock(), self._wall_clock()
        read = _Read(at_s, _by_model(user, self._store.of(user), now_s - self._limits.seconds))
        with self._lock:
            self._known[user] = read
        if self._failed:
            self._failed = False
            _log.info("live_histories_back")
        return read


def _by_model(user: str, kept: Iterable[tuple[str, OwnQuery]], oldest_s: float) -> Mapping[str, Own]:
    by_model: dict[str, list[OwnQuery]] = {}
    for model, query in kept:
        if query.last_s >= oldest_s:
            by_model.setdefault(model, []).append(query)
    return {model: _own(f"{user}\n{model}", queries) for model, queries in by_model.items()}


def _own(whose: str, queries: list[OwnQuery]) -> Own:
    digest = hashlib.blake2b(f"{whose}\n{sorted(queries)!r}".encode("utf-8", "surrogatepass"), digest_size=16)
    return Own(History(queries), digest.hexdigest())
