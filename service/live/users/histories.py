"""The own queries of users, as stores keep them: written with the events that tell of them, whole or not at all."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from lm.text.normalize import normalize_query
from lm.text.private import looks_private
from service.live.events.event import Event, EventKind
from suggest.own import OwnQuery

DAY_S = 24 * 3600.0


class HistoryLimits(NamedTuple):
    """How much is kept of a user.

    Attributes:
        queries: the last ones; 0: none.
        seconds: for so long after a query was submitted last.
    """

    queries: int = 200
    seconds: float = 90 * DAY_S


class HistoryLog(Protocol):
    """The own queries of users, read alone: `EventLog` writes and removes them.

    Threads and processes may share it; it raises `StoreUnavailableError`.
    """

    def of(self, user: str) -> list[tuple[str, OwnQuery]]:
        """All that is kept of a user's queries, in any order, each with its model.

        Args:
            user: see `service.live.users.keys`.
        """


def submitted(event: Event) -> OwnQuery | None:
    """The query that an event adds to a history; None if it adds none, as one that looks private."""
    text = normalize_query(event.query).rstrip()
    if not event.user or event.kind is EventKind.IMPRESSION or not text or looks_private(text):
        return None
    return OwnQuery(text, " ".join(event.query.split()), event.at_s)
