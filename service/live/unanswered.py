"""Queries that suggestions did not help with, the most frequent first: a list to act on.

A query is listed once enough distinct users have sent it, so that nobody's own words are shown. Users are known by a
hash that is another one in every process.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import NamedTuple

from service.live.searches import Outcome, Search

MAX_QUERIES = 100_000
MAX_USERS = 1000
"""Users that are told apart for a query; it is not listed differently for more."""


class Lack(enum.Enum):
    """What was missing."""

    ACCEPTED = "accepted"
    """There were suggestions, or nothing tells of a list, but none was accepted."""
    SUGGESTED = "suggested"
    """The last list was empty."""


class Unanswered(NamedTuple):
    """A query and the searches for it that were not helped.

    Attributes:
        users: distinct ones, `MAX_USERS` at most.
    """

    model: str
    query: str
    searches: int
    users: int


class UnansweredQueries:
    """Counts queries. It keeps the heaviest `most` for each lack, so that its memory is bounded."""

    def __init__(self, *, most: int = MAX_QUERIES) -> None:
        self._most = most
        self._counts: dict[Lack, dict[tuple[str, str], tuple[int, set[int]]]] = {lack: {} for lack in Lack}

    def add(self, search: Search) -> None:
        """Counts a search, if it was not helped and its user is known."""
        lack = _lack(search)
        if lack is None or not search.query or not search.user:
            return
        counts = self._counts[lack]
        key = search.model, search.query
        count, users = counts.get(key) or (0, set())
        if len(users) < MAX_USERS:
            users.add(hash(search.user))
        counts[key] = count + 1, users
        if len(counts) > self._most:
            self._counts[lack] = _heavier_half(counts)

    def counted(self, lack: Lack) -> Iterator[tuple[tuple[str, str], int, set[int]]]:
        """Model and query, searches and users of all that is counted."""
        for key, (count, users) in self._counts[lack].items():
            yield key, count, users


def listed(parts: list[UnansweredQueries], lack: Lack, *, min_users: int, model: str | None = None) -> list[Unanswered]:
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
    found = [
        Unanswered(*key, count, min(len(users[key]), MAX_USERS))
        for key, count in counts.items()
        if len(users[key]) >= min_users
    ]
    return sorted(found, key=lambda each: (-each.searches, each.query, each.model))


def _lack(search: Search) -> Lack | None:
    if search.outcome is Outcome.ACCEPTED:
        return None
    if search.is_empty:
        return Lack.SUGGESTED
    return Lack.ACCEPTED if search.outcome is Outcome.SUBMITTED else None


def _heavier_half(counts: dict[tuple[str, str], tuple[int, set[int]]]) -> dict[tuple[str, str], tuple[int, set[int]]]:
    kept = sorted(counts.items(), key=lambda item: item[1][0], reverse=True)
    return dict(kept[: len(kept) // 2])
