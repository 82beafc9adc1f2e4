"""Searches, put together from the events that tell of them.

A search is what a user does in the box from the first letter until a query is sent or the box is left. It ends with a
selection or a submission. It is abandoned if none follows within `PATIENCE_S`. Its version is that of the last list. A
caller with neither user nor session sends events that cannot be put together: a selection or a submission is then a
search of its own, and an impression belongs to none.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from lm.text.normalize import normalize_query
from service.live.events.event import Event, EventKind
from suggest.measures import keys_pressed, letters_saved, reciprocal

PATIENCE_S = 300.0
MAX_OPEN = 100_000
_MAX_LETTERS = 256


class Outcome(enum.Enum):
    """How a search ended."""

    ACCEPTED = "accepted"
    SUBMITTED = "submitted"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search that has ended.

    Attributes:
        who: the user; without one the session, else the event: searches of different ones are independent.
        user: empty if it is not known.
        query: normalised; of an abandoned search what was typed last.
        rank: place of the accepted suggestion, from 1; 0 if none was accepted.
        typed: letters before the suggestion was accepted; None if none was.
        sources: of the suggestions in the last list, best first; None if nothing tells of a list.
        ended_s: when it ended, in seconds since 1970.
    """

    model: str
    version: str
    who: str
    user: str
    outcome: Outcome
    query: str
    rank: int
    typed: int | None
    sources: tuple[str, ...] | None
    ended_s: float

    @property
    def reciprocal_rank(self) -> float:
        """See `suggest.measures.reciprocal`."""
        return reciprocal(self.rank)

    @property
    def letters_saved(self) -> int:
        """See `suggest.measures.letters_saved`."""
        return letters_saved(len(self.query), keys_pressed(len(self.query), self.typed))

    @property
    def is_empty(self) -> bool:
        """Whether its last list had no suggestion."""
        return self.sources == ()

    @property
    def source(self) -> str:
        """The source of the accepted suggestion; empty if it is not known."""
        return self.sources[self.rank - 1] if self.sources and 0 < self.rank <= len(self.sources) else ""


@dataclass(slots=True)
class _Open:
    version: str = ""
    query: str = ""
    sources: tuple[str, ...] | None = None
    last_s: float = 0.0


class Searches:
    """Puts events together. It keeps only the searches that have not ended.

    Args:
        most: of them that are kept; if there are more, the oldest count as abandoned.
    """

    def __init__(self, *, most: int = MAX_OPEN) -> None:
        self._most = most
        self._open: OrderedDict[tuple[str, str, str], _Open] = OrderedDict()

    def add(self, event: Event) -> Iterator[Search]:
        """Takes the next event in the order in which the store took them; returns the searches that are over now."""
        yield from self._given_up(event.at_s)
        key = event.model, event.user, event.session
        if event.kind is EventKind.IMPRESSION:
            if event.user or event.session:
                search = self._open.setdefault(key, _Open())
                search.version = event.version or search.version
                search.query, search.sources, search.last_s = event.query, _sources(event), event.at_s
                self._open.move_to_end(key)
        else:
            known = self._open.pop(key, None) if event.user or event.session else None
            yield _ended(event, known or _Open())

    def rest(self) -> Iterator[Search]:
        """The searches that have not ended: if no event follows, they are abandoned."""
        while self._open:
            yield _abandoned(*self._open.popitem(last=False))

    def _given_up(self, now_s: float) -> Iterator[Search]:
        while self._open:
            key, oldest = next(iter(self._open.items()))
            if oldest.last_s > now_s - PATIENCE_S and len(self._open) < self._most:
                return
            del self._open[key]
            yield _abandoned(key, oldest)


def _ended(event: Event, known: _Open) -> Search:
    accepted = event.kind is EventKind.SELECTION
    sources = _sources(event) or known.sources
    return Search(
        model=event.model,
        version=event.version or known.version,
        who=event.user or event.session or f"#{event.number}",
        user=event.user,
        outcome=Outcome.ACCEPTED if accepted else Outcome.SUBMITTED,
        query=_normalized(event.query),
        rank=(event.place or 0) + 1 if accepted else 0,
        typed=min(max(event.typed_length, 0), _MAX_LETTERS) if accepted else None,
        sources=sources or None if accepted else sources,
        ended_s=event.at_s,
    )


def _abandoned(key: tuple[str, str, str], known: _Open) -> Search:
    model, user, session = key
    return Search(
        model=model,
        version=known.version,
        who=user or session,
        user=user,
        outcome=Outcome.ABANDONED,
        query=_normalized(known.query),
        rank=0,
        typed=None,
        sources=known.sources,
        ended_s=known.last_s,
    )


def _sources(event: Event) -> tuple[str, ...]:
    return tuple(source for _, source in event.shown)


def _normalized(text: str) -> str:
    return normalize_query(text).rstrip()
