"""A connection to the SQLite file of the live state, which knows the file if it lies there still."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from lm.errors import StoreUnavailableError
from service.live.changes import Position

_BUSY_S = 2.0
"""For how long a writer waits for another one."""


class SqliteLink:
    """A connection to the file as it lies there now.

    Attributes:
        seen: position and version of the file at the last look that found nothing new.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._closed = False
        self.lock = threading.Lock()
        self.seen: tuple[Position, int] | None = None

    def open(self) -> sqlite3.Connection:
        """The connection.

        Raises:
            OSError: the file is not there.
            sqlite3.Error: it cannot be opened.
            StoreUnavailableError: it was closed.
        """
        if self._closed:
            raise StoreUnavailableError("The server ends.")
        status = self._path.stat()
        file = status.st_dev, status.st_ino
        if self._connection is None or file != self._file:
            self.drop()
            self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            self._file = file
        return self._connection

    def close(self) -> None:
        """Ends the connection, for good."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """Ends the connection until `open` is called again."""
        self.seen = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, to look at what is there."""
        with self.lock, explained(self._path):
            yield self.open()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction that is kept whole or not at all."""
        with self.lock, explained(self._path):
            connection = self.open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    connection.execute("ROLLBACK")
                raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Says that the store is down if the file cannot be used."""
    try:
        yield
    except FileNotFoundError:
        raise StoreUnavailableError(f"{path}: the file is gone. Put it back, or start the servers again.") from None
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailableError(f"{path}: {error}.") from None


def insert_rows(
    connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[object]], otherwise: str = ""
) -> None:
    """Inserts rows in one step. A step for each would let go of the interpreter's lock each time, and wait for it.

    Args:
        otherwise: what SQL says of rows that are there.
    """
    if rows:
        values = ", ".join([places(len(rows[0]))] * len(rows))
        connection.execute(f"INSERT INTO {table} VALUES {values} {otherwise}", [*chain.from_iterable(rows)])


def places(count: int) -> str:
    """So many places for values in SQL, in brackets."""
    return f"({', '.join('?' * count)})"
