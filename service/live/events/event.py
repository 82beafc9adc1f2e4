"""Events: what users did with suggestions. Thousands come in a second, so they are kept for a limited time only.

They have numbers of their own, which are microseconds since 1970 and always rise: the number says when the store took
the event, so old ones are found without reading them, and so is where somebody left off.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

ONCE_S = 24 * 3600.0
"""For how long an `event_id` counts once."""
MAX_EVENTS_AT_ONCE = 1000
_PER_S = 1_000_000
_ID_BYTES = 12


class EventKind(enum.Enum):
    """What happened; the values are part of the stores' format."""

    IMPRESSION = "i"
    """Suggestions were shown."""
    SELECTION = "s"
    """One of them was taken."""
    SUBMISSION = "q"
    """A query was sent without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    Attributes:
        event_id: the client's, so that a retry counts once; empty if it has none.
        at_s: when it happened, in seconds since 1970.
        model: whose suggestions they were.
        version: of the model; empty if the client does not say.
        query: as it was written; empty for an impression of an empty box.
        typed_length: characters that were typed before.
        place: of the suggestion that was taken, from 0; None if none was.
        user: a keyed hash of the caller's id, 16 hex characters; empty if there is none.
        session: the client's name for this visit; empty if there is none.
        shown: the suggestions that were shown, best first, each with the label of its source.
        number: see above; 0 until the store has it.
    """

    event_id: str = ""
    kind: EventKind
    at_s: float
    model: str
    version: str = ""
    query: str
    typed_length: int = 0
    place: int | None = None
    user: str = ""
    session: str = ""
    shown: tuple[tuple[str, str], ...] = ()
    number: int = 0

    @property
    def taken_s(self) -> float:
        """When the store took it, in seconds since 1970."""
        return self.number / _PER_S


class Checkpoint(NamedTuple):
    """What somebody has made of all events up to a number, so that nobody has to read them again."""

    number: int
    data: bytes


class EventLog(Protocol):
    """The events of a store. Threads and processes may share it; all methods raise `StoreUnavailableError`."""

    def write(self, events: Sequence[Event], *, now_s: float) -> list[int]:
        """Takes events, all or none, durably, except those whose `event_id` came within the last 24 hours.

        Args:
            events: `MAX_EVENTS_AT_ONCE` at most.
            now_s: seconds since 1970.

        Returns:
            The number of each; 0 for one that came before.
        """

    def after(self, number: int, count: int) -> list[Event]:
        """Events after a number, in their order, as many at most; does not wait. Some numbers are missing."""

    def forget(self, user: str) -> int:
        """Removes all events of a user. Their ids still count once.

        Returns:
            How many there were.
        """

    def trim(self, *, now_s: float, before_s: float, most: int) -> None:
        """Removes what was taken before a moment, and the oldest if there are more than so many.

        Args:
            now_s: seconds since 1970; users' own queries that are too old then are removed too.
        """

    def checkpoint(self, name: str) -> Checkpoint | None:
        """The last checkpoint of this name."""

    def checkpoint_number(self, name: str) -> int:
        """The number of that checkpoint; 0 if there is none."""

    def keep_checkpoint(self, name: str, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint, unless there is one of a later number."""


def number_at(at_s: float) -> int:
    """The number of an event that is taken at a moment."""
    return max(int(at_s * _PER_S), 1)


def id_digest(event_id: str) -> bytes:
    """An `event_id` as stores keep it; empty if there is none."""
    return hashlib.blake2b(event_id.encode(), digest_size=_ID_BYTES, person=b"event").digest() if event_id else b""


def pack_event(event: Event) -> str:
    """An event without its number, as stores keep it."""
    return json.dumps(
        [
            event.event_id,
            event.kind.value,
            event.at_s,
            event.model,
            event.version,
            event.query,
            event.typed_length,
            event.place,
            event.user,
            event.session,
            event.shown,
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    )


def known_events(read: Callable[[int], Sequence[tuple[str | bytes, int]]], number: int, count: int) -> list[Event]:
    """Events after a number; none only if there are no more that this release knows.

    Args:
        read: a page of packed events after a number, with their numbers, `count` at most.
    """
    while True:
        rows = read(number)
        events = _unpack_events(rows)
        if events or len(rows) < count:
            return events
        number = rows[-1][1]


def _unpack_events(rows: Iterable[tuple[str | bytes, int]]) -> list[Event]:
    """Reads what `pack_event` wrote, but for what this release does not know, as of a later one."""
    events = []
    for packed, number in rows:
        try:
            events.append(unpack_event(packed, number))
        except (TypeError, ValueError):
            continue
    return events


def unpack_event(packed: str | bytes, number: int) -> Event:
    """Reads what `pack_event` wrote."""
    event_id, kind, at_s, model, version, query, typed_length, place, user, session, shown, *_ = json.loads(packed)
    return Event(
        event_id=event_id,
        kind=EventKind(kind),
        at_s=at_s,
        model=model,
        version=version,
        query=query,
        typed_length=typed_length,
        place=place,
        user=user,
        session=session,
        shown=tuple((text, source) for text, source in shown),
        number=number,
    )
