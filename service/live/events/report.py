"""What the events of some days say: how each version did, and which queries had no answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from service.live.events.event import Event, EventLog, number_at
from service.live.events.experiment import MRR, Comparison, Experiment, Measure
from service.live.events.searches import Search, Searches
from service.live.events.unanswered import Lack, Unanswered, UnansweredQueries, listed

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What users did.

    Attributes:
        from_s, to_s: the time that it covers, in seconds since 1970.
        events: how many of that time there are.
        searches: put together from them, `without_version` of which name no version and compare nothing.
        comparisons: one for each model.
        unanswered: queries of at least `min_users` distinct users, the most frequent first.
    """

    from_s: float
    to_s: float
    min_users: int
    events: int
    searches: int
    without_version: int
    comparisons: tuple[Comparison, ...]
    unanswered: dict[Lack, tuple[Unanswered, ...]]


def made_report(
    log: EventLog, from_s: float, to_s: float, *, model: str = "", min_users: int, seed: int, by: Measure = MRR
) -> Report:
    """Reads all events of a time, as many thousand a second.

    Args:
        model: the one to report on; all if empty.
        seed: draws the users of the intervals.
        by: what the verdicts are about.

    Raises:
        StoreUnavailableError: the store cannot be read.
    """
    experiment, queries = Experiment(), UnansweredQueries()
    building = _Counting(Searches())
    searches = without_version = 0
    for search in building.searches(event for event in events_of(log, from_s, to_s) if model in ("", event.model)):
        searches += 1
        without_version += not search.version
        experiment.add(search)
        queries.add(search)
    return Report(
        from_s=from_s,
        to_s=to_s,
        min_users=min_users,
        events=building.events,
        searches=searches,
        without_version=without_version,
        comparisons=tuple(experiment.compare(np.random.default_rng(seed), by=by)),
        unanswered={lack: tuple(listed([queries], lack, min_users=min_users)) for lack in Lack},
    )


def events_of(log: EventLog, from_s: float, to_s: float) -> Iterator[Event]:
    """Events that happened within a time, in the order in which the store took them."""
    number = number_at(from_s) - 1  # none is taken before it happened
    while page := log.after(number, _AT_ONCE):
        yield from (event for event in page if from_s <= event.at_s <= to_s)
        number = page[-1].number


class _Counting:
    """Counts the events that searches are made of."""

    def __init__(self, building: Searches) -> None:
        self.events = 0
        self._building = building

    def searches(self, events: Iterator[Event]) -> Iterator[Search]:
        for event in events:
            self.events += 1
            yield from self._building.add(event)
        yield from self._building.rest()
