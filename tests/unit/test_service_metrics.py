from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, values

from service.telemetry.metrics import Metrics
from service.telemetry.shared_metrics import SharedMetrics
from service.workers.process import share_metrics

# Dashboards, alerts and the README are built on these: a change here is a breaking one.
NAMES = {
    "autocomplete_requests": ("method", "model", "code"),
    "autocomplete_request_duration_seconds": ("method",),
    "autocomplete_requests_in_flight": (),
    "autocomplete_requests_waiting": (),
    "autocomplete_open_streams": (),
    "autocomplete_stream_keystrokes": ("outcome",),
    "autocomplete_stream_ends": ("reason",),
    "autocomplete_stream_throttles": (),
    "autocomplete_streams_waiting": (),
    "autocomplete_stage_duration_seconds": ("stage",),
    "autocomplete_degraded_answers": ("reason", "part"),
    "autocomplete_suggestions": ("source",),
    "autocomplete_empty_answers": ("method",),
    "autocomplete_cache_lookups": ("tier", "outcome"),
    "autocomplete_process_cache_entries": (),
    "autocomplete_process_cache_bytes": (),
    "autocomplete_warmed_answers": ("model", "outcome"),
    "autocomplete_redis_errors": ("operation",),
    "autocomplete_redis_dropped_answers": (),
    "autocomplete_registry_errors": (),
    "autocomplete_follow_errors": ("model",),
    "autocomplete_redis_available": (),
    "autocomplete_model_info": ("model", "version"),
    "autocomplete_model_share": ("model", "version"),
    "autocomplete_split_failures": ("model",),
    "autocomplete_shown_lists": ("model", "version", "outcome"),
    "autocomplete_shown_suggestions": ("model", "version", "source", "position"),
    "autocomplete_accepted_suggestions": ("model", "version", "source", "position"),
    "autocomplete_searches": ("model", "version", "outcome"),
    "autocomplete_reciprocal_ranks": ("model", "version"),
    "autocomplete_query_letters": ("model", "version"),
    "autocomplete_saved_letters": ("model", "version"),
    "autocomplete_model_created_timestamp_seconds": ("model",),
    "autocomplete_models": ("state",),
    "autocomplete_model_openings": ("model", "outcome"),
    "autocomplete_live_age_seconds": (),
    "autocomplete_live_entries": (),
    "autocomplete_live_changes": (),
    "autocomplete_live_write_failures": (),
    "autocomplete_live_events": ("outcome",),
    "autocomplete_live_events_age_seconds": (),
    "autocomplete_live_trends": (),
}


def test_names_are_pinned() -> None:
    described = Metrics(CollectorRegistry()).described()
    assert {each.name.removesuffix("_total"): each.labels for each in described} == NAMES
    assert all(each.text for each in described)


def test_what_is_described_is_what_prometheus_sees() -> None:
    metrics = Metrics(CollectorRegistry())
    kinds = {metric.name: metric.type for metric in metrics.registry.collect()}
    for each in metrics.described():
        assert kinds[each.name.removesuffix("_total")] == each.kind


def test_the_process_is_watched() -> None:
    metrics = Metrics(CollectorRegistry())
    assert metrics.registry.get_sample_value("process_resident_memory_bytes") is not None


def test_latencies_are_told_apart_from_half_a_millisecond_on() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.request_duration.labels("M").observe(0.0004)
    value = metrics.registry.get_sample_value(
        "autocomplete_request_duration_seconds_bucket", {"method": "M", "le": "0.0005"}
    )
    assert value == 1


def test_metrics_of_workers_are_added_up_and_counts_outlive_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))  # so that it is unset again
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    shared = SharedMetrics(str(tmp_path), list)

    def worker(slot: int) -> Metrics:
        share_metrics(str(tmp_path), slot)
        metrics = Metrics(CollectorRegistry(), shared=True)
        metrics.requests.labels("M", "m", "OK").inc(2)
        metrics.watch(metrics.waiting, lambda: 5)
        metrics.refresh()
        metrics.open_streams.inc()
        metrics.show_versions("m", {"1": 1.0}, 7.0)
        return metrics

    def value(name: str, **labels: str) -> float | None:
        return shared.registry.get_sample_value(name, labels)

    def counted() -> float | None:
        return value("autocomplete_requests_total", method="M", model="m", code="OK")

    first = worker(0)
    worker(1)
    (tmp_path / "counter_2.db").touch()  # as a worker that begins makes it
    assert (counted(), value("autocomplete_open_streams"), value("autocomplete_requests_waiting")) == (4, 2, 10)
    first.show_versions("m", {"2": 1.0}, 8.0)
    assert value("autocomplete_model_info", model="m", version="2") == 1
    assert value("autocomplete_model_created_timestamp_seconds", model="m") == 8
    shared.worker_died(0)
    assert (counted(), value("autocomplete_open_streams")) == (4, 1)
    worker(0)  # a replacement goes on where the dead one ended
    assert (counted(), value("autocomplete_open_streams")) == (6, 2)
    assert len(list(tmp_path.glob("counter_[01].db"))) == 2
