"""What all methods have in common that write to the live state and list what it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from google.protobuf.timestamp_pb2 import Timestamp

from lm.errors import EntryNotFoundError, RequestError, StoreUnavailableError, UnsupportedError
from service.live.changes import MAX_CREATOR, Change, removal
from service.live.stores.store import LiveStore
from service.rpc.requests import check_length, read_page_place, read_page_size
from service.telemetry.metrics import Metrics

STORE_AWAY = "The store of the live state takes nothing at present."
_TRIES = 10
"""Others may change the same entry at the same time."""
_log = structlog.get_logger("service.live")


class LiveWrites:
    """The store, as methods write to it.

    Args:
        store: None if there is none.
        wall_clock: seconds since 1970.
    """

    def __init__(self, store: LiveStore | None, metrics: Metrics, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._failures = metrics.live_write_failures
        self.wall_clock = wall_clock

    @property
    def store(self) -> LiveStore:
        """The store.

        Raises:
            UnsupportedError: there is none.
        """
        if self._store is None:
            raise no_store()
        return self._store

    @contextmanager
    def noted(self, told: str | None = None) -> Iterator[None]:
        """Within it a store that takes nothing is counted and logged.

        Args:
            told: what callers are told of it who may be anybody; operators are told all.
        """
        try:
            yield
        except StoreUnavailableError as error:
            self._failures.inc()
            _log.error("live_write_failed", error=str(error))
            if told is None:
                raise
            raise StoreUnavailableError(told) from None

    def written(self, write: Callable[[], Change | None]) -> Change:
        """What `write` has made of an entry, which answers None if somebody else has changed it at the same time."""
        with self.noted():
            for _ in range(_TRIES):
                change = write()
                if change is not None:
                    return change
            raise StoreUnavailableError("Others change this entry all the time.")

    def remove(self, kind: str, collection: str, request: Any) -> Change:
        """Removes what a request names.

        Args:
            collection: in which names of this kind are.
            request: has `name` and `remover`.

        Raises:
            RequestError: it is no such name, or the remover's is too long.
            EntryNotFoundError: there is none.
        """
        check_length("remover", request.remover, MAX_CREATOR)
        match = re.fullmatch(rf"{collection}/([0-9a-f]{{16}})", request.name)
        if match is None:
            remedy = f"Format: `{collection}/ID`; the method that lists them has all."
            raise RequestError("name", "is not a name of this kind.", fault="MALFORMED", remedy=remedy)
        key = match.group(1)

        def write() -> Change | None:
            there = self.store.get(kind, key)
            if there is None:
                raise EntryNotFoundError(f"There is no {request.name}.", remedy="The method that lists them has all.")
            return self.store.put(removal(there, at_s=self.wall_clock(), by=request.remover), expected=there.number)

        return self.written(write)

    def page(self, kind: str, request: Any) -> tuple[list[Change], str]:
        """A page of what there is of a kind, and the token of the next one; empty if it is the last.

        Args:
            request: has `page_size` and `page_token`.
        """
        size = read_page_size(request)
        found = self.store.page(kind, before=read_page_place(request) or None, count=size + 1)
        return found[:size], str(found[size - 1].number) if len(found) > size else ""


def no_store() -> UnsupportedError:
    """What a method that needs a store answers without one."""
    return UnsupportedError(
        "This server keeps no live state.", remedy="Start it with --live FILE, or with the URL of a Redis."
    )


def read_time(field: str, message: Any, name: str) -> float | None:
    """A time of a message in seconds since 1970; None if it is unset."""
    if not message.HasField(name):
        return None
    try:
        return float(getattr(message, name).ToNanoseconds() / 1e9)
    except ValueError:
        remedy = "Give one before the year 10000, or leave it out."
        raise RequestError(field, "is not a valid time.", fault="OUT_OF_RANGE", remedy=remedy) from None


def write_time(time: Timestamp, at_s: float) -> None:
    """Sets a time of a message."""
    time.FromNanoseconds(round(at_s * 1e9))
