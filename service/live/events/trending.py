"""Follows the events of a store and says which queries are trending where a model answers.

A thread counts them in the order of the store, as all replicas do. Every few minutes one of them keeps its counts
there, so that a replica that starts reads only what came since.
"""

from __future__ import annotations

import hashlib
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from lm.errors import AutocompleteError
from lm.index.live_queries import LiveQueries, LiveQuery
from lm.text.folding import near_words
from service.live.events.event import Checkpoint, EventLog, number_at
from service.live.events.trends import WITHIN_S, Trend, Trends
from service.telemetry.logs import trace_of
from service.telemetry.metrics import Metrics
from service.workers.priority import EVENTS, lower_priority

if TYPE_CHECKING:
    from suggest.model import Model

Clock = Callable[[], float]
CHECKPOINT = "trends"
_AT_ONCE = 1000
_LOOK_S, _PUBLISH_S, _RETRY_S = 0.1, 0.5, 1.0
_REST = 8.0
"""So many times as long as publishing took, nothing is published: it is to take a small share of the processor."""
_KEEP_S = 300.0
MAX_EVENTS = 5_000_000
"""Events that a store keeps, however young."""
_DAY_S = 24 * 3600.0
_MARK_BITS = 64
_LETTERS = 6
_BEGINNING = re.compile(f"[a-z0-9]{{1,{_LETTERS}}}")
_log = structlog.get_logger("service.live")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTrends:
    """What is trending where one version of a model answers.

    Attributes:
        trends: by how they are written, with those that the model may not show.
        texts: of those that it may show, normalised.
        marks: for each beginning of a word the sum of the digests of the trends that have it.
        minute: for which they are told, since 1970.
    """

    queries: LiveQueries = field(default_factory=LiveQueries)
    trends: Mapping[str, Trend] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    minute: int = 0

    def epoch(self, typed: str) -> str:
        """Names what may answer a normalised text: equal on whichever replica. Empty if nothing is trending.

        Thousands of trends change all the time, and few of them matter to a text: those with a word that begins as it
        does. What is found otherwise, as by a typing error in the first letters, is named anew after an hour at most.
        """
        if not self.texts:
            return ""
        hour = (self.minute + zlib.crc32(typed.encode("utf-8", "surrogatepass")) % 60) // 60
        return f"{hour:x}.{self.marks.get(_typed_beginning(typed), 0):x}"

    def shows(self, written: str) -> bool:
        """Whether the model may show a trend."""
        return written in self.texts

    def with_trends(self, model: Model, trends: Mapping[str, Trend], minute: int) -> ModelTrends:
        """It with other trends."""
        if trends == self.trends:
            return self if minute == self.minute else replace(self, minute=minute)
        changes, texts, marks = dict[str, LiveQuery | None](), dict(self.texts), dict(self.marks)
        for written, former in self.trends.items():
            if trends.get(written) != former and (text := texts.pop(written, None)) is not None:
                changes[text] = None
                _mark(marks, text, -_digest(former))
        for written, trend in trends.items():
            if self.trends.get(written) != trend:
                query = model.trending_query(written, trend.amount)
                if query is not None:
                    texts[written] = query.text
                    changes[query.text] = query
                    _mark(marks, query.text, _digest(trend))
        queries = self.queries.with_changes(changes) if changes else self.queries
        return ModelTrends(queries=queries, trends=trends, texts=texts, marks=marks, minute=minute)


NO_TRENDS = ModelTrends()


class Trending:
    """Keeps what is trending as the store's events say. Without a store nothing is.

    Args:
        store: None if there is none.
        models: the models that answer now, of each version one.
        days: for which events are kept.
        clock: monotonic, in seconds.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self,
        events: EventLog | None,
        models: Callable[[], Iterable[Model]],
        metrics: Metrics,
        trends: Trends,
        *,
        days: float,
        clock: Clock,
        wall_clock: Clock,
    ) -> None:
        self._events = events
        self._models = models
        self._trends = trends
        self._days = days
        self._clock = clock
        self._wall_clock = wall_clock
        self._published: Mapping[tuple[str, str], ModelTrends] = {}
        self._begun = self._failed = False
        self._published_s = self._kept_s = self._current_s = clock()
        self._rest_s = _PUBLISH_S
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-events", daemon=True)
        if events is not None:
            metrics.watch(metrics.live_events_age, lambda: self._clock() - self._current_s)
            metrics.watch(metrics.live_trends, lambda: sum(len(each.texts) for each in self._published.values()))

    def start(self) -> None:
        """Begins to follow."""
        if self._events is not None:
            self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def of(self, model: str, version: str) -> ModelTrends:
        """What is trending where a version of a model answers, now."""
        return self._published.get((model, version), NO_TRENDS)

    def _run(self) -> None:
        lower_priority(EVENTS)
        while not self._stopping.is_set():
            wait_s = _RETRY_S
            try:
                assert self._events is not None
                wait_s = 0.0 if self._look(self._events) else _LOOK_S
                if self._failed:
                    self._failed = False
                    _log.info("live_events_back")
            except Exception as error:  # whatever it is, the next look goes on
                self._lost(error)
            self._stopping.wait(wait_s)

    def _look(self, log: EventLog) -> bool:
        """Takes the next events; whether there may be more at once."""
        now_s = self._clock()
        if not self._begun:
            self._begin(log)
        events = log.after(self._trends.number, _AT_ONCE)
        self._trends.take(events)
        if len(events) == _AT_ONCE:
            return True
        self._current_s = self._clock()
        if now_s - self._published_s >= self._rest_s:
            self._publish()
            self._published_s = self._clock()
            self._rest_s = max(_PUBLISH_S, _REST * (self._published_s - now_s))
        if now_s - self._kept_s >= _KEEP_S:
            self._kept_s = now_s
            self._keep(log)
        return False

    def _begin(self, log: EventLog) -> None:
        checkpoint = log.checkpoint(CHECKPOINT)
        if checkpoint is None or not self._trends.restore(checkpoint.data):
            self._trends.number = max(self._trends.number, number_at(self._wall_clock() - WITHIN_S))
        self._begun = True

    def _publish(self) -> None:
        now_s = self._wall_clock()
        trends, published = self._trends.trending(now_s), {}
        for model in self._models():
            name = model.name, model.version
            former = self._published.get(name, NO_TRENDS)
            published[name] = former.with_trends(model, trends.get(model.name, {}), int(now_s // 60))
        self._published = published

    def _keep(self, log: EventLog) -> None:
        """Keeps the counts, unless another process has done so lately, and removes what is old."""
        if self._trends.number - log.checkpoint_number(CHECKPOINT) > number_at(_KEEP_S / 2):
            log.keep_checkpoint(CHECKPOINT, Checkpoint(self._trends.number, self._trends.pack()))
        now_s = self._wall_clock()
        log.trim(now_s=now_s, before_s=now_s - self._days * _DAY_S, most=MAX_EVENTS)

    def _lost(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            known = {"error": str(error)} if isinstance(error, AutocompleteError) else {"trace": trace_of(error)}
            _log.error("live_events_lost", effect="trends stay as they are", **known)


def _typed_beginning(typed: str) -> str:
    """The first letters of the first word; `*` if it does not begin with an ASCII letter or digit."""
    found = _BEGINNING.match(typed)
    return found.group() if found else "*" * bool(typed)


def _mark(marks: dict[str, int], text: str, digest: int) -> None:
    """Adds a digest to all beginnings that a text may be found by."""
    words, rest = set(text.split()), ""
    for word in reversed(near_words(text)):  # with what follows: `shoelace` finds `shoe lace`
        words.update(form + rest for form in word.forms)
        rest = (word.forms[0] + rest)[:_LETTERS]
    for beginning in {"", "*", *(word[:size] for word in words for size in range(1, _LETTERS + 1))}:
        mark = (marks.get(beginning, 0) + digest) % (1 << _MARK_BITS)
        if mark:
            marks[beginning] = mark
        else:
            marks.pop(beginning, None)


def _digest(trend: Trend) -> int:
    named = f"{trend.level}\n{trend.written}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(named, digest_size=_MARK_BITS // 8, person=b"trend").digest())
