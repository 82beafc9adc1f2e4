"""What Prometheus sees of the server. Names are pinned by a test: dashboards and alerts are built on them.

Labels have few values: models outside the registry count as `other`, methods are those that exist.
How a gauge of several workers is put together (`multiprocess_mode`): most are summed, states of models that all of them
serve are those of the worker that has most, and Redis counts as away if one of them cannot reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from suggest.budget import LeftOut
from suggest.types import NextWords, QueryCompletion, StageTiming, SuggestionSource

_LATENCY_BUCKETS_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5),
)
_STAGE_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25)


class Metrics:
    """The server's metrics, in a collector registry of the caller's.

    Args:
        shared: they are kept in files (`share_metrics` of `service.workers.worker`)
            and added up with those of other processes.
    """

    def __init__(self, registry: CollectorRegistry, *, shared: bool = False) -> None:
        self.registry = registry
        self._shared = shared
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        ProcessCollector(registry=registry)
        self._calls(registry)
        self._answers(registry)
        self._caches(registry)
        self._models(registry)

    def _calls(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "autocomplete_requests",
            "Calls that ended, by method, model (empty where a call names none, or is refused unread) and gRPC code.",
            ("method", "model", "code"),
            registry=registry,
        )
        self.request_duration = Histogram(
            "autocomplete_request_duration_seconds",
            "Time from a call's start of work to its answer; in a stream, from keystroke to last answer.",
            ("method",),
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.in_flight = Gauge(
            "autocomplete_requests_in_flight",
            "Calls being worked on, streams included.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.waiting = Gauge(
            "autocomplete_requests_waiting",
            "Calls that wait for their turn.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.open_streams = Gauge(
            "autocomplete_open_streams", "Streams open now.", multiprocess_mode="livesum", registry=registry
        )
        self.keystrokes = Counter(
            "autocomplete_stream_keystrokes",
            "Keystrokes of streams by outcome: answered, superseded, refused.",
            ("outcome",),
            registry=registry,
        )
        self._streams(registry)

    def _streams(self, registry: CollectorRegistry) -> None:
        self.stream_ends = Counter(
            "autocomplete_stream_ends",
            "Streams of keystrokes that ended, by reason: finished, cancelled (or vanished), error, stopped; "
            "shed: idle, unread, flood.",
            ("reason",),
            registry=registry,
        )
        self.stream_throttles = Counter(
            "autocomplete_stream_throttles",
            "Pauses in reading a stream whose caller typed faster than anybody types.",
            registry=registry,
        )
        self.streams_waiting = Gauge(
            "autocomplete_streams_waiting",
            "Streams with a keystroke that waits for its turn.",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def _answers(self, registry: CollectorRegistry) -> None:
        self.stage_duration = Histogram(
            "autocomplete_stage_duration_seconds",
            "Time that a stage of a computed answer took.",
            ("stage",),
            buckets=_STAGE_BUCKETS_S,
            registry=registry,
        )
        self.degraded = Counter(
            "autocomplete_degraded_answers",
            "Parts (neural, spelling, reranker) left out of answers because time was short, by reason: deadline (the "
            "caller's), time_budget (the server's), overload (there was enough, but it went by in the queue).",
            ("reason", "part"),
            registry=registry,
        )
        self.suggestions = Counter(
            "autocomplete_suggestions",
            "Suggestions of computed query completions by source.",
            ("source",),
            registry=registry,
        )
        # bound once: `labels` costs as much again as what it is asked for
        self._of_source = {source: self.suggestions.labels(source.value) for source in SuggestionSource}
        self._of_stage: dict[str, Histogram] = {}
        self.empty_answers = Counter(
            "autocomplete_empty_answers",
            "Computed answers without a suggestion.",
            ("method",),
            registry=registry,
        )

    def _caches(self, registry: CollectorRegistry) -> None:
        self.cache_lookups = Counter(
            "autocomplete_cache_lookups",
            "Look-ups of answers by tier (process, redis; flight: one under way was joined) and outcome.",
            ("tier", "outcome"),
            registry=registry,
        )
        self.cache_entries = Gauge(
            "autocomplete_process_cache_entries",
            "Answers kept in the process.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.cache_bytes = Gauge(
            "autocomplete_process_cache_bytes",
            "Memory of the answers kept in the process.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.warmed_answers = Counter(
            "autocomplete_warmed_answers",
            "Answers made ready before anybody asked, by model and outcome: computed, found (in a cache).",
            ("model", "outcome"),
            registry=registry,
        )
        self.redis_errors = Counter(
            "autocomplete_redis_errors", "Failed Redis operations.", ("operation",), registry=registry
        )
        self.redis_dropped = Counter(
            "autocomplete_redis_dropped_answers",
            "Answers not given to Redis, as too many waited for it.",
            registry=registry,
        )
        self.redis_available = Gauge(
            "autocomplete_redis_available",
            "1 while Redis answers; 0 while it does not or none is set.",
            multiprocess_mode="livemin",
            registry=registry,
        )

    def _models(self, registry: CollectorRegistry) -> None:
        self.model_info = Gauge(
            "autocomplete_model_info",
            "1 for the version of each model that answers.",
            ("model", "version"),
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.model_created = Gauge(
            "autocomplete_model_created_timestamp_seconds",
            "When training of the version that answers finished.",
            ("model",),
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.models = Gauge(
            "autocomplete_models",
            "Models by state: loading, active, failed.",
            ("state",),
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.model_openings = Counter(
            "autocomplete_model_openings",
            "Versions that were opened to answer, or could not be, by model and outcome: opened, failed.",
            ("model", "outcome"),
            registry=registry,
        )

        self.registry_errors = Counter(
            "autocomplete_registry_errors",
            "Looks at a registry at a URL that failed; what answers goes on.",
            registry=registry,
        )

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Has a gauge show what a function returns."""
        if self._shared:
            self._watched.append((gauge, read))
        else:
            gauge.set_function(read)

    def refresh(self) -> None:
        """Brings shared gauges that are watched up to date; nothing asks for them when others read the files."""
        for gauge, read in self._watched:
            gauge.set(read())

    def show_version(self, model: str, version: str, created_at_s: float, *, former: str | None) -> None:
        """Shows which version of a model answers, in place of a former one."""
        self.model_info.labels(model, version).set(1)
        self.model_created.labels(model).set(created_at_s)
        self.model_openings.labels(model, "failed")  # shown as 0: the first failure is then an increase
        if former is None or former == version:
            return
        self.model_info.labels(model, former).set(0)
        if not self._shared:  # files keep it, as 0
            self.model_info.remove(model, former)

    def observe_completion(self, completion: QueryCompletion, method: str) -> None:
        """Counts a computed query completion."""
        self._observe(completion.timings, completion.left_out)
        logged = sum(suggestion.source is SuggestionSource.LOG for suggestion in completion.suggestions)
        generated = len(completion.suggestions) - logged
        for source, count in ((SuggestionSource.LOG, logged), (SuggestionSource.GENERATED, generated)):
            if count:
                self._of_source[source].inc(count)
        if not completion.suggestions:
            self.empty_answers.labels(method).inc()

    def observe_words(self, words: NextWords, method: str) -> None:
        """Counts a computed next-word prediction."""
        self._observe(words.timings, words.left_out)
        if not words.suggestions:
            self.empty_answers.labels(method).inc()

    def _observe(self, timings: Iterable[StageTiming], left_out: Iterable[LeftOut]) -> None:
        for timing in timings:
            stage = self._of_stage.get(timing.stage)
            if stage is None:
                stage = self._of_stage[timing.stage] = self.stage_duration.labels(timing.stage)
            stage.observe(timing.duration_s)
        for each in left_out:
            self.degraded.labels(each.reason.value, each.part.value).inc()
