"""What users did with suggestions, as counters for Prometheus: the server that takes an event counts it.

The measures are ratios of these counters, by the definitions of `suggest.measures`: the MRR is reciprocal ranks by
searches, keystrokes saved are saved letters by letters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from prometheus_client import Counter

from service.live.events.event import Event, EventKind
from service.live.events.searches import Outcome, Search, Searches
from service.telemetry.metrics import Metrics
from suggest.types import SuggestionSource

OTHER = "other"
_SOURCES = frozenset(source.value for source in SuggestionSource)
_MOST_OPEN = 10_000
_LAST_PLACE = 10
"""Places further down are counted together."""


class OnlineMetrics:
    """Counts new events, for one thread.

    A selection and its impression may have come to different servers; then its source counts as `other`.

    Args:
        served: the versions of a model that answer; none if it is not served. Others are counted as `other`.
    """

    def __init__(self, metrics: Metrics, served: Callable[[str], Collection[str]]) -> None:
        self._metrics = metrics
        self._served = served
        self._searches = Searches(most=_MOST_OPEN)
        self._bound: dict[tuple[Counter, tuple[str, ...]], Counter] = {}  # `labels` costs several times as much
        self._sums: dict[tuple[Counter, tuple[str, ...]], float] = {}

    def count(self, events: Iterable[Event]) -> None:
        """Counts events that were new to the store."""
        for event in events:
            ended = [search for search in self._searches.add(event) if search.outcome is not Outcome.ABANDONED]
            if event.kind is EventKind.IMPRESSION:
                labels = self._labels(event.model, event.version)
                outcome = "filled" if event.shown else "empty"
                self._inc(self._metrics.shown_lists, *labels, outcome)
                for place, (_, source) in enumerate(event.shown):
                    self._inc(self._metrics.shown_suggestions, *labels, _source(source), _position(place))
            for search in ended:
                self._count_end(search)
        for key, by in self._sums.items():
            counter, labels_of = key
            if key not in self._bound:
                self._bound[key] = counter.labels(*labels_of)
            self._bound[key].inc(by)
        self._sums.clear()

    def _count_end(self, search: Search) -> None:
        labels = self._labels(search.model, search.version)
        self._inc(self._metrics.searches, *labels, search.outcome.value)
        self._inc(self._metrics.reciprocal_ranks, *labels, by=search.reciprocal_rank)
        self._inc(self._metrics.query_letters, *labels, by=len(search.query))
        self._inc(self._metrics.saved_letters, *labels, by=search.letters_saved)
        if search.outcome is Outcome.ACCEPTED:
            self._inc(self._metrics.accepted_suggestions, *labels, _source(search.source), _position(search.rank - 1))

    def _inc(self, counter: Counter, *labels: str, by: float = 1) -> None:
        self._sums[counter, labels] = self._sums.get((counter, labels), 0) + by

    def _labels(self, model: str, version: str) -> tuple[str, str]:
        versions = self._served(model)
        return model if versions else OTHER, version if version in versions else OTHER


def _source(label: str) -> str:
    return label if label in _SOURCES else OTHER


def _position(place: int) -> str:
    return str(place + 1) if place < _LAST_PLACE else f"{_LAST_PLACE + 1}+"
