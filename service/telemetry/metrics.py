"""What Prometheus sees of the server. Names are pinned by a test: dashboards and alerts are built on them.

Labels have few values: models outside the registry and versions that do not answer count as `other`, methods are those
that exist. Gauges of several workers are summed unless they say otherwise: all workers serve the same models, so the
worker that has most counts, and Redis counts as away if one worker cannot reach it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector

from service.telemetry.describe import Description, MetricMaker
from suggest.types import NextWords, QueryCompletion, SuggestionSource

_LATENCY_BUCKETS_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5),
)
_PLACE = ("source", "position")
_STAGE_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25)


class Metrics:
    """The server's metrics, in a collector registry of the caller's.

    Args:
        shared: they are kept in files (`share_metrics` of `service.workers.process`)
            and added up with those of other processes.
    """

    def __init__(self, registry: CollectorRegistry, *, shared: bool = False) -> None:
        self.registry = registry
        self._shared = shared
        self._shown_versions: dict[str, set[str]] = {}
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        ProcessCollector(registry=registry)
        self._make = MetricMaker(registry)
        self._calls()
        self._streams()
        self._answers()
        self._caches()
        self._models()
        self._live()
        self._online()

    def described(self) -> list[Description]:
        """All metrics, in order."""
        return list(self._make.described)

    def _calls(self) -> None:
        self.requests = self._make.counter(
            "requests",
            "Calls that ended, by method, model (empty if the call names none or is refused unread) and gRPC code.",
            *("method", "model", "code"),
        )
        self.request_duration = self._make.histogram(
            "request_duration_seconds",
            "Time from a call's arrival to its answer, waiting included; in a stream, from keystroke to last answer.",
            "method",
            buckets=_LATENCY_BUCKETS_S,
        )
        self.in_flight = self._make.gauge("requests_in_flight", "Open calls, at work or waiting, streams included.")
        self.waiting = self._make.gauge("requests_waiting", "Calls that wait for their turn.")

    def _streams(self) -> None:
        self.open_streams = self._make.gauge("open_streams", "Streams open now.")
        self.keystrokes = self._make.counter(
            "stream_keystrokes", "Keystrokes of streams by outcome: answered, superseded, refused.", "outcome"
        )
        self.stream_ends = self._make.counter(
            "stream_ends",
            "Streams of keystrokes that ended, by reason: finished, cancelled (or vanished), error, stopped; "
            "shed: idle, unread, flood.",
            "reason",
        )
        self.stream_throttles = self._make.counter(
            "stream_throttles", "Pauses in reading a stream whose caller typed faster than anybody types."
        )
        self.streams_waiting = self._make.gauge("streams_waiting", "Streams with a keystroke that waits for its turn.")

    def _answers(self) -> None:
        self.stage_duration = self._make.histogram(
            "stage_duration_seconds",
            "Time that a stage of a computed answer took.",
            "stage",
            buckets=_STAGE_BUCKETS_S,
        )
        self.degraded = self._make.counter(
            "degraded_answers",
            "Parts (neural, spelling, reranker) left out of answers because time was short, by reason: deadline (the "
            "caller's), time_budget (the server's), overload (the time passed in the queue). Part live, reason store: "
            "answers, cached ones too, that may lack the last changes of the live state.",
            *("reason", "part"),
        )
        self.suggestions = self._make.counter(
            "suggestions", "Suggestions of computed query completions by source.", "source"
        )
        # bound once: `labels` costs as much again as what it is asked for
        self._of_source = {source: self.suggestions.labels(source.value) for source in SuggestionSource}
        self._of_stage: dict[str, Histogram] = {}
        self.empty_answers = self._make.counter("empty_answers", "Computed answers without a suggestion.", "method")

    def _caches(self) -> None:
        self.cache_lookups = self._make.counter(
            "cache_lookups",
            "Look-ups of answers by tier (process, redis; flight: another call was computing it) and outcome.",
            *("tier", "outcome"),
        )
        self.cache_entries = self._make.gauge("process_cache_entries", "Answers kept in the process.")
        self.cache_bytes = self._make.gauge("process_cache_bytes", "Memory of the answers kept in the process.")
        self.warmed_answers = self._make.counter(
            "warmed_answers",
            "Answers prepared before anybody asked, by model and outcome: computed, found (in a cache).",
            *("model", "outcome"),
        )
        self.redis_errors = self._make.counter(
            "redis_errors", "Failed Redis operations: get, set, connect, ping.", "operation"
        )
        self.redis_dropped = self._make.counter(
            "redis_dropped_answers", "Answers not stored in Redis because too many waited for it."
        )
        self.redis_available = self._make.gauge(
            "redis_available", "1 while Redis answers; 0 while it does not or none is set.", workers="livemin"
        )

    def _models(self) -> None:
        self.model_info = self._make.gauge(
            "model_info", "1 for the version of each model that answers.", *("model", "version"), workers="livemax"
        )
        self.model_share = self._make.gauge(
            "model_share",
            "Share of a model's users that a version answers: 1 unless --split says otherwise.",
            *("model", "version"),
            workers="livemin",
        )
        self.split_failures = self._make.gauge(
            "split_failures", "Versions that --split names and that cannot be opened.", "model", workers="livemax"
        )
        self.model_created = self._make.gauge(
            "model_created_timestamp_seconds",
            "When training of the version that answers finished.",
            "model",
            workers="livemostrecent",
        )
        self.models = self._make.gauge(
            "models", "Models by state: loading, active, failed.", "state", workers="livemax"
        )
        self.model_openings = self._make.counter(
            "model_openings",
            "Attempts to open a version to answer from, by model and outcome: opened, failed.",
            *("model", "outcome"),
        )
        self.follow_errors = self._make.counter(
            "follow_errors",
            "Unexpected errors while following the registry, by model (empty: looking for new models). The next look "
            "tries again.",
            "model",
        )
        self.registry_errors = self._make.counter(
            "registry_errors", "Failed requests to a registry at a URL; the models go on answering."
        )

    def _live(self) -> None:
        self.live_age = self._make.gauge(
            "live_age_seconds",
            "Time since the live state was last known to be as its store has it; below a second while all is well.",
            workers="livemax",
        )
        self.live_entries = self._make.gauge(
            "live_entries", "Entries of the deny list in force, and all that is curated.", workers="livemax"
        )
        self.live_changes = self._make.counter("live_changes", "Changes of the live state that were applied.")
        self.live_write_failures = self._make.counter(
            "live_write_failures", "Changes of the live state that the store did not take."
        )

        self.live_events = self._make.counter(
            "live_events",
            "Events of users by outcome: taken, duplicate (their event_id came before), refused (one in their call was "
            "wrong).",
            "outcome",
        )
        self.live_events_age = self._make.gauge(
            "live_events_age_seconds",
            "Time since all events of the store were last known to be counted here; below a second while all is well.",
            workers="livemax",
        )
        self.live_trends = self._make.gauge("live_trends", "Trending queries that may be shown.", workers="livemax")

    def _online(self) -> None:
        what = ("model", "version")
        self.shown_lists = self._make.counter(
            "shown_lists", "Lists that users saw (impressions), by outcome: filled, empty.", *what, "outcome"
        )
        self.shown_suggestions = self._make.counter(
            "shown_suggestions", "Suggestions that users saw, by source and place in the list, from 1.", *what, *_PLACE
        )
        self.accepted_suggestions = self._make.counter(
            "accepted_suggestions", "Suggestions that users selected, by source and place.", *what, *_PLACE
        )
        self.searches = self._make.counter(
            "searches",
            "Searches that ended with a query, by outcome: accepted (a suggestion), submitted (without one).",
            *(*what, "outcome"),
        )
        self.reciprocal_ranks = self._make.counter(
            "reciprocal_ranks", "Sum of 1 / place of the accepted suggestions; by searches it is the MRR.", *what
        )
        self.query_letters = self._make.counter("query_letters", "Letters of the queries of these searches.", *what)
        self.saved_letters = self._make.counter(
            "saved_letters", "Letters of these queries that users did not have to type.", *what
        )

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Makes a gauge show what a function returns."""
        if self._shared:
            self._watched.append((gauge, read))
        else:
            gauge.set_function(read)

    def refresh(self) -> None:
        """Updates the gauges that are watched and shared: whoever reads their files cannot ask."""
        for gauge, read in self._watched:
            gauge.set(read())

    def show_versions(self, model: str, shares: Mapping[str, float], created_at_s: float) -> None:
        """Shows which versions of a model answer, in place of former ones.

        Args:
            shares: of the model's users, by version; 0 for one of a split that cannot be opened.
            created_at_s: when training of the first of them ended.
        """
        self.model_created.labels(model).set(created_at_s)
        self.model_openings.labels(model, "failed")  # shown as 0: the first failure is then an increase
        former = self._shown_versions.get(model, set()) - set(shares)
        self.split_failures.labels(model).set(sum(not share for share in shares.values()))
        for version, share in [*shares.items(), *((version, 0.0) for version in former)]:
            self.model_share.labels(model, version).set(share)
            self.model_info.labels(model, version).set(1 if share else 0)
        if not self._shared:  # files keep them as 0
            for version in former:
                self.model_share.remove(model, version)
                self.model_info.remove(model, version)
        self._shown_versions[model] = set(shares)

    def observe(self, answer: QueryCompletion | NextWords, method: str) -> None:
        """Counts a computed answer."""
        for timing in answer.timings:
            stage = self._of_stage.get(timing.stage)
            if stage is None:
                stage = self._of_stage[timing.stage] = self.stage_duration.labels(timing.stage)
            stage.observe(timing.duration_s)
        for each in answer.left_out:
            self.degraded.labels(each.reason.value, each.part.value).inc()
        if not answer.suggestions:
            self.empty_answers.labels(method).inc()
        elif isinstance(answer, QueryCompletion):
            for source, count in Counter(suggestion.source for suggestion in answer.suggestions).items():
                self._of_source[source].inc(count)
