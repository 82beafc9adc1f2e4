"""Events in the SQLite file of the live state."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from service.live.events.event import ONCE_S, Checkpoint, Event, id_digest, known_events, number_at, pack_event
from service.live.stores.sqlite_histories import SqliteHistories, forget_history
from service.live.stores.sqlite_link import SqliteLink, insert_rows, places

EVENT_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, event TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_user ON events (user) WHERE user <> '';
CREATE TABLE IF NOT EXISTS event_ids (id BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_ids_order ON event_ids (number);
CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, number INTEGER NOT NULL, data BLOB NOT NULL);
"""
_REMOVED_AT_ONCE = 10_000
"""Others may write between two such steps."""


class SqliteEvents:
    """See `EventLog`.

    Args:
        counting: a link to the same file, for what takes long to read: nobody who writes waits for it.
    """

    def __init__(self, link: SqliteLink, counting: SqliteLink, histories: SqliteHistories) -> None:
        self._link = link
        self._counting = counting
        self._histories = histories

    def write(self, events: Sequence[Event], *, now_s: float) -> list[int]:
        """See `EventLog`."""
        now, numbers = number_at(now_s), list[int]()
        with self._link.transaction() as connection:
            connection.execute("DELETE FROM event_ids WHERE number <= ?", (number_at(now_s - ONCE_S),))
            (last,) = connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'").fetchone()
            last = last or 0
            for is_new in _taken(connection, [id_digest(event.event_id) for event in events], now):
                last = max(last + 1, now) if is_new else last
                numbers.append(last if is_new else 0)
            new = [(event, number) for event, number in zip(events, numbers, strict=True) if number]
            insert_rows(connection, "events", [(number, event.user, pack_event(event)) for event, number in new])
            self._histories.take(connection, [event for event, _ in new], now_s)
        return numbers

    def after(self, number: int, count: int) -> list[Event]:
        """See `EventLog`."""
        query = "SELECT event, number FROM events WHERE number > ? ORDER BY number LIMIT ?"

        def read(number: int) -> list[tuple[str, int]]:
            with self._link.reading() as connection:
                return connection.execute(query, (number, count)).fetchall()

        return known_events(read, number, count)

    def forget(self, user: str) -> int:
        """See `EventLog`."""
        with self._link.transaction() as connection:
            forget_history(connection, user)
            removed = connection.execute("DELETE FROM events WHERE user = ? AND user <> ''", (user,)).rowcount
        with self._link.reading() as connection:  # the journal still has what was deleted
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return removed

    def trim(self, *, now_s: float, before_s: float, most: int) -> None:
        """See `EventLog`."""
        with self._counting.reading() as connection:
            row = connection.execute(
                "SELECT number FROM events ORDER BY number DESC LIMIT 1 OFFSET ?", (most,)
            ).fetchone()
        last = max(number_at(before_s) - 1, row[0] if row else 0)
        removed = _REMOVED_AT_ONCE
        while removed == _REMOVED_AT_ONCE:
            with self._link.transaction() as connection:
                removed = connection.execute(
                    "DELETE FROM events WHERE number IN"
                    " (SELECT number FROM events WHERE number <= ? ORDER BY number LIMIT ?)",
                    (last, _REMOVED_AT_ONCE),
                ).rowcount
        while True:
            with self._link.transaction() as connection:
                if not self._histories.remove_old(connection, now_s):
                    return

    def checkpoint(self, name: str) -> Checkpoint | None:
        """See `EventLog`."""
        with self._link.reading() as connection:
            row = connection.execute("SELECT number, data FROM checkpoints WHERE name = ?", (name,)).fetchone()
        return Checkpoint(*row) if row else None

    def checkpoint_number(self, name: str) -> int:
        """See `EventLog`."""
        with self._link.reading() as connection:
            row = connection.execute("SELECT number FROM checkpoints WHERE name = ?", (name,)).fetchone()
        return row[0] if row else 0

    def keep_checkpoint(self, name: str, checkpoint: Checkpoint) -> None:
        """See `EventLog`."""
        with self._link.transaction() as connection:
            connection.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET number = excluded.number, data = excluded.data WHERE excluded.number > number",
                (name, *checkpoint),
            )

    def close(self) -> None:
        """Ends its connections."""
        for link in (self._link, self._counting):
            with link.lock:
                link.close()


def _taken(connection: sqlite3.Connection, digests: Sequence[bytes], number: int) -> list[bool]:
    """Notes the ids of events; for each event whether it is new."""
    named = [digest for digest in digests if digest]
    found = connection.execute(f"SELECT id FROM event_ids WHERE id IN {places(len(named))}", named)
    known = {digest for (digest,) in found}
    insert_rows(connection, "event_ids", [(digest, number) for digest in {*named} - known])
    are_new = []
    for digest in digests:
        are_new.append(digest not in known)
        if digest:
            known.add(digest)
    return are_new
