"""The own queries of users in the SQLite file of the live state, and the secret by which users are known."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from service.live.events.event import Event
from service.live.stores.sqlite_link import SqliteLink, insert_rows, places
from service.live.users.histories import HistoryLimits, submitted
from suggest.own import OwnQuery

HISTORY_SCHEMA = """
CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS histories (
    user TEXT, model TEXT, text TEXT, display TEXT NOT NULL, last_s REAL NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (user, model, text)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS histories_order ON histories (user, last_s);
CREATE INDEX IF NOT EXISTS histories_age ON histories (last_s);
"""
_ADDED = """
ON CONFLICT (user, model, text) DO UPDATE SET
    display = iif(excluded.last_s >= last_s, excluded.display, display),
    last_s = max(last_s, excluded.last_s), times = times + excluded.times
"""
_KEEP_LAST = """
DELETE FROM histories WHERE (user, model, text) IN (
    SELECT user, model, text FROM (
        SELECT user, model, text, row_number() OVER (PARTITION BY user ORDER BY last_s DESC) AS place
        FROM histories WHERE user IN {users}
    ) WHERE place > ?
)
"""
_REMOVE_OLD = """
DELETE FROM histories WHERE (user, model, text) IN
    (SELECT user, model, text FROM histories WHERE last_s < ? ORDER BY last_s LIMIT ?)
"""
_REMOVED_AT_ONCE = 1000


class SqliteHistories:
    """See `HistoryLog`."""

    def __init__(self, link: SqliteLink, limits: HistoryLimits) -> None:
        self._link = link
        self._limits = limits

    def of(self, user: str) -> list[tuple[str, OwnQuery]]:
        """See `HistoryLog`."""
        query = "SELECT model, text, display, last_s, times FROM histories WHERE user = ?"
        with self._link.reading() as connection:
            return [(model, OwnQuery(*row)) for model, *row in connection.execute(query, (user,)).fetchall()]

    def take(self, connection: sqlite3.Connection, events: Iterable[Event], now_s: float) -> None:
        """Adds what events tell, within the transaction that takes them."""
        if self._limits.queries:
            told = [(event, query) for event in events if (query := submitted(event)) is not None]
            insert_rows(connection, "histories", [(event.user, event.model, *query) for event, query in told], _ADDED)
            users = {event.user for event, _ in told}
            connection.execute(_KEEP_LAST.format(users=places(len(users))), [*users, self._limits.queries])
        self.remove_old(connection, now_s)

    def remove_old(self, connection: sqlite3.Connection, now_s: float) -> int:
        """Removes some of what is too old, within a transaction; how much."""
        return connection.execute(_REMOVE_OLD, (now_s - self._limits.seconds, _REMOVED_AT_ONCE)).rowcount

    def close(self) -> None:
        """Ends its connection."""
        with self._link.lock:
            self._link.close()


def forget_history(connection: sqlite3.Connection, user: str) -> None:
    """Removes what is kept of a user's queries, within a transaction."""
    connection.execute("DELETE FROM histories WHERE user = ?", (user,))
