"""The live state in an SQLite file, which the processes of one machine share.

A change is on the disk when it is taken: the journal is written ahead and synchronised with each transaction. Whoever
follows has a connection of its own, to which SQLite tells when another one has changed the file.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lm.errors import ConfigError, StoreUnavailableError
from service.live.changes import Change, Position, Snapshot, pack, unpack
from service.live.stores.sqlite_events import EVENT_SCHEMA, SqliteEvents
from service.live.stores.sqlite_histories import HISTORY_SCHEMA, SqliteHistories
from service.live.stores.sqlite_link import SqliteLink, explained
from service.live.users.histories import HistoryLimits

_LOOK_S = 0.1
_AT_ONCE = 1000
_FORMAT = 1
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE log (number INTEGER PRIMARY KEY, change TEXT NOT NULL);
CREATE TABLE state (kind TEXT, key TEXT, number INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE INDEX state_order ON state (kind, number);
CREATE TABLE origin (name TEXT NOT NULL);
PRAGMA user_version = {_FORMAT};
"""
_CURRENT = "SELECT log.number, change FROM state JOIN log USING (number)"


class SqliteStore:
    """See `LiveStore`.

    A file that is moved away or deleted while servers run counts as a store that is down: nothing is written into what
    nobody will find again.

    Raises:
        ConfigError: the file cannot be made or read, or is another one.
    """

    def __init__(self, path: Path, *, limits: HistoryLimits = HistoryLimits()) -> None:  # noqa: B008 -- immutable
        self._path = path
        try:
            if not path.exists():
                _make(path)
            self._asking = SqliteLink(path)
            self._following = SqliteLink(path)
            self._histories = SqliteHistories(SqliteLink(path), limits)
            self._events = SqliteEvents(SqliteLink(path), SqliteLink(path), self._histories)
            with explained(path):
                (found,) = self._asking.open().execute("PRAGMA user_version").fetchone()
                if found == _FORMAT:
                    self._asking.open().executescript(EVENT_SCHEMA + HISTORY_SCHEMA)  # the file may be older
        except (OSError, StoreUnavailableError) as error:
            said = f"{error.strerror}." if isinstance(error, OSError) else error.problem
            problem = said.removeprefix(f"{path}: ")
            raise ConfigError(
                f"Live state {path}: {problem}", remedy="Name a file that can be written, a Redis, or `off` by --live."
            ) from None
        if found != _FORMAT:
            raise ConfigError(
                f"Live state {path}: format {found} is not {_FORMAT}.",
                remedy="Name another file by --live, or use its release.",
            )

    def put(self, change: Change, *, expected: int) -> Change | None:
        """See `LiveStore`."""
        with self._asking.transaction() as connection:
            if _number_of(connection, change) != expected:
                return None
            (taken,) = _take(connection, [change])
        return taken

    def append(self, changes: Sequence[Change]) -> list[Change]:
        """See `LiveStore`."""
        with self._asking.transaction() as connection:
            return _take(connection, changes)

    def get(self, kind: str, key: str) -> Change | None:
        """See `LiveStore`."""
        found = self._ask(f"{_CURRENT} WHERE state.kind = ? AND state.key = ?", kind, key)
        return found[0] if found else None

    def page(self, kind: str, *, before: int | None = None, count: int) -> list[Change]:
        """See `LiveStore`."""
        last = (1 << 62) if before is None else before - 1
        ordered = f"{_CURRENT} WHERE state.kind = ? AND state.number <= ? ORDER BY state.number DESC LIMIT ?"
        return self._ask(ordered, kind, last, count)

    def log(self, *, after: int, count: int) -> list[Change]:
        """See `LiveStore`."""
        return self._ask("SELECT number, change FROM log WHERE number > ? ORDER BY number LIMIT ?", after, count)

    def snapshot(self) -> Snapshot:
        """See `LiveStore`."""
        with self._following.lock, explained(self._path):
            connection = self._following.open()
            connection.execute("BEGIN")  # all reads see one moment
            try:
                return Snapshot(_position(connection), _changes(connection.execute(f"{_CURRENT} ORDER BY log.number")))
            finally:
                connection.execute("ROLLBACK")

    def follow(self, position: Position, timeout_s: float) -> list[Change] | None:
        """See `LiveStore`."""
        link, until_s = self._following, time.monotonic() + timeout_s
        with link.lock, explained(self._path):
            while True:
                connection = link.open()
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                if link.seen != (position, version):
                    now = _position(connection)
                    if now.number < position.number or (position.origin and now.origin != position.origin):
                        return None
                    rows = connection.execute(
                        "SELECT number, change FROM log WHERE number > ? ORDER BY number LIMIT ?",
                        (position.number, _AT_ONCE),
                    )
                    if changes := _changes(rows):
                        return changes if now.origin == position.origin else None
                    link.seen = position, version
                if time.monotonic() + _LOOK_S > until_s:
                    return []
                time.sleep(_LOOK_S)

    def secret(self) -> str:
        """See `LiveStore`."""
        with self._asking.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_hex(32),))
            (value,) = connection.execute("SELECT value FROM secret").fetchone()
        return str(value)

    @property
    def events(self) -> SqliteEvents:
        """See `LiveStore`."""
        return self._events

    @property
    def histories(self) -> SqliteHistories:
        """See `LiveStore`."""
        return self._histories

    def close(self) -> None:
        """See `LiveStore`."""
        self._events.close()
        self._histories.close()
        for link in (self._asking, self._following):
            with link.lock:
                link.close()

    def _ask(self, query: str, *values: object) -> list[Change]:
        with self._asking.lock, explained(self._path):
            return _changes(self._asking.open().execute(query, values))


def _make(path: Path) -> None:
    """Makes an empty file, at once and whole: several processes may want it.

    Raises:
        OSError: there is no such folder, or it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    os.close(os.open(new, os.O_CREAT | os.O_EXCL, 0o600))  # what was taken down is not for everybody's eyes
    try:
        connection = sqlite3.connect(new)
        try:
            connection.executescript(_SCHEMA)
        finally:
            connection.close()
        with suppress(FileExistsError):
            os.link(new, path)
    except sqlite3.Error as error:
        raise OSError(0, f"{error}.") from None
    finally:
        new.unlink()


def _number_of(connection: sqlite3.Connection, change: Change) -> int:
    found = connection.execute(
        "SELECT number FROM state WHERE kind = ? AND key = ?", (change.kind, change.key)
    ).fetchone()
    return int(found[0]) if found else 0


def _take(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Change]:
    if connection.execute("SELECT name FROM origin").fetchone() is None:
        connection.execute("INSERT INTO origin VALUES (?)", (secrets.token_hex(8),))
    taken = []
    for change in changes:
        packed = pack(change)
        number = connection.execute("INSERT INTO log (change) VALUES (?)", (packed,)).lastrowid
        assert number is not None
        if change.value is None:
            connection.execute("DELETE FROM state WHERE kind = ? AND key = ?", (change.kind, change.key))
        else:
            connection.execute("REPLACE INTO state VALUES (?, ?, ?)", (change.kind, change.key, number))
        taken.append(unpack(packed, number))
    return taken


def _position(connection: sqlite3.Connection) -> Position:
    name, number = connection.execute("SELECT (SELECT name FROM origin), (SELECT max(number) FROM log)").fetchone()
    return Position(name or "", number or 0)


def _changes(rows: sqlite3.Cursor) -> list[Change]:
    return [unpack(change, number) for number, change in rows.fetchall()]
