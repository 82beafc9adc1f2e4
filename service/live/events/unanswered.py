"""Queries that suggestions did not help with, the most frequent first: a list to act on.

A query is listed once enough distinct users have sent it, so that nobody's own words are shown. Users are told apart by
a hash that is another one in every process.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from service.live.events.event import EventLog, number_at
from service.live.events.searches import Outcome, Search, Searches

MAX_QUERIES = 100_000
MAX_USERS = 1000
"""Users that are told apart for a query; more are not counted."""
RECENT_DAYS = 7
RECENT_MAX_USERS = 16
_RECENT_MAX_QUERIES = 5000
"""Of a day, for each lack."""
_READ_AT_ONCE, _MOST_READ = 1000, 50_000
_DAY_S = 86_400.0


class Lack(enum.Enum):
    """What was missing."""

    ACCEPTED = "accepted"
    """There were suggestions, or nothing tells of a list, but none was accepted."""
    SUGGESTED = "suggested"
    """The last list was empty."""


class Unanswered(NamedTuple):
    """A query and the searches for it that were not helped.

    Attributes:
        users: distinct ones, as many as were told apart.
    """

    model: str
    query: str
    searches: int
    users: int


class UnansweredQueries:
    """Counts queries.

    Args:
        most: queries for each lack; if there are more, the lighter half is forgotten.
        most_users: users that are told apart for a query.
    """

    def __init__(self, *, most: int = MAX_QUERIES, most_users: int = MAX_USERS) -> None:
        self._most = most
        self._most_users = most_users
        self._counts: dict[Lack, dict[tuple[str, str], tuple[int, set[int]]]] = {lack: {} for lack in Lack}

    def add(self, search: Search) -> None:
        """Counts a search, if it was not helped and its user is known."""
        lack = _lack(search)
        if lack is None or not search.query or not search.user:
            return
        counts = self._counts[lack]
        key = search.model, search.query
        count, users = counts.get(key) or (0, set())
        if len(users) < self._most_users:
            users.add(hash(search.user))
        counts[key] = count + 1, users
        if len(counts) > self._most:
            self._counts[lack] = _heavier_half(counts)

    def counted(self, lack: Lack) -> Iterator[tuple[tuple[str, str], int, set[int]]]:
        """Model and query, searches and users of all that is counted."""
        for key, (count, users) in self._counts[lack].items():
            yield key, count, users


def listed(
    parts: Iterable[UnansweredQueries], lack: Lack, *, min_users: int, model: str | None = None
) -> list[Unanswered]:
    """The queries of several parts of a time, the most frequent first.

    Args:
        min_users: distinct users who must have sent a query.
        model: only its queries; those of all models if None.
    """
    counts: dict[tuple[str, str], int] = {}
    users: dict[tuple[str, str], set[int]] = {}
    for part in parts:
        for key, count, who in part.counted(lack):
            if model in (None, key[0]):
                counts[key] = counts.get(key, 0) + count
                users[key] = users[key] | who if key in users else who
    found = [Unanswered(*key, count, len(users[key])) for key, count in counts.items() if len(users[key]) >= min_users]
    return sorted(found, key=lambda each: (-each.searches, each.query, each.model))


class RecentUnanswered:
    """The queries of the last `RECENT_DAYS` days. It reads the events that are new whenever it is asked.

    Args:
        wall_clock: seconds since 1970.
    """

    def __init__(self, log: EventLog, wall_clock: Callable[[], float]) -> None:
        self._log = log
        self._wall_clock = wall_clock
        self._number = 0
        self._building = Searches()
        self._days: dict[int, UnansweredQueries] = {}
        self._lock = threading.Lock()

    def listed(self, model: str, lack: Lack, *, min_users: int) -> tuple[list[Unanswered], bool]:
        """See `listed`; and whether there are events that have not been read yet, as one call reads a part of many.

        Raises:
            StoreUnavailableError: the store cannot be read.
        """
        with self._lock:
            first_day = int(self._wall_clock() / _DAY_S) - RECENT_DAYS + 1
            self._days = {day: queries for day, queries in self._days.items() if day >= first_day}
            more = self._read_on(first_day)
            return listed(self._days.values(), lack, min_users=min_users, model=model), more

    def _read_on(self, first_day: int) -> bool:
        self._number = max(self._number, number_at(first_day * _DAY_S) - 1)
        for _ in range(_MOST_READ // _READ_AT_ONCE):
            page = self._log.after(self._number, _READ_AT_ONCE)
            for event in page:
                for search in self._building.add(event):
                    self._add(search, first_day)
                self._number = event.number
            if len(page) < _READ_AT_ONCE:
                return False
        return True

    def _add(self, search: Search, first_day: int) -> None:
        day = int(search.ended_s / _DAY_S)
        if day >= first_day:
            if day not in self._days:
                self._days[day] = UnansweredQueries(most=_RECENT_MAX_QUERIES, most_users=RECENT_MAX_USERS)
            self._days[day].add(search)


def _lack(search: Search) -> Lack | None:
    if search.outcome is Outcome.ACCEPTED:
        return None
    if search.is_empty:
        return Lack.SUGGESTED
    return Lack.ACCEPTED if search.outcome is Outcome.SUBMITTED else None


def _heavier_half(counts: dict[tuple[str, str], tuple[int, set[int]]]) -> dict[tuple[str, str], tuple[int, set[int]]]:
    kept = sorted(counts.items(), key=lambda item: item[1][0], reverse=True)
    return dict(kept[: len(kept) // 2])
