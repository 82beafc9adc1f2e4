from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from service.metrics import Metrics

# Dashboards, alerts and the README are built on these: a change here is a breaking one.
NAMES = {
    "autocomplete_requests": ("method", "model", "code"),
    "autocomplete_request_duration_seconds": ("method",),
    "autocomplete_requests_in_flight": (),
    "autocomplete_requests_waiting": (),
    "autocomplete_open_streams": (),
    "autocomplete_stream_keystrokes": ("outcome",),
    "autocomplete_stage_duration_seconds": ("stage",),
    "autocomplete_degraded_answers": ("reason",),
    "autocomplete_suggestions": ("source",),
    "autocomplete_empty_answers": ("method",),
    "autocomplete_cache_lookups": ("tier", "outcome"),
    "autocomplete_process_cache_entries": (),
    "autocomplete_process_cache_bytes": (),
    "autocomplete_redis_errors": ("operation",),
    "autocomplete_redis_available": (),
    "autocomplete_model_info": ("model", "version"),
    "autocomplete_model_created_timestamp_seconds": ("model",),
    "autocomplete_models": ("state",),
    "autocomplete_model_openings": ("model", "outcome"),
}


def test_names_are_pinned() -> None:
    metrics = Metrics(CollectorRegistry())
    found = {
        metric._name: metric._labelnames  # no public way to the labels of an empty metric
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    }
    assert found == NAMES


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
