"""Traces of calls by OpenTelemetry, sent to a collector; off unless one is named.

A call's span is a child of the caller's span (W3C Trace Context, in the call's metadata), and has the stages of the
answer as its children. No span holds typed text. Keystrokes of a stream have no spans.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from lm.errors import ConfigError, install_hint
from service.config import ServerSettings
from suggest.budget import StageTiming

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_KEYS = ("traceparent", "tracestate")
_EXPORT_TIMEOUT_S = 2
"""For a batch: if the collector is away, stopping the server takes at most this much longer."""


class Tracing:
    """Makes spans of calls and of their stages."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("autocomplete")
        self._propagator = TraceContextTextMapPropagator()
        self._trace = trace

    @contextmanager
    def call(self, method: str, metadata: Iterable[tuple[str, Any]]) -> Iterator[Callable[[grpc.StatusCode], None]]:
        """Traces a call: stages and log lines join its span. The caller ends it with gRPC's code."""
        span = self._begin(method, metadata)
        with self._trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield lambda code: self._end(span, code)

    def stages(self, timings: Iterable[StageTiming]) -> None:
        """Makes spans for the stages of an answer that was just computed: one after the other, until now."""
        if not self._trace.get_current_span().is_recording():
            return
        done = list(timings)
        start_ns = time.time_ns() - round(sum(timing.duration_s for timing in done) * 1e9)
        for timing in done:
            span = self._tracer.start_span(timing.stage, start_time=start_ns)
            start_ns += round(timing.duration_s * 1e9)
            span.end(start_ns)

    def close(self) -> None:
        """Sends the spans that wait."""
        self._provider.shutdown()

    def _begin(self, method: str, metadata: Iterable[tuple[str, Any]]) -> Span:
        carrier = {key: value for key, value in metadata if key in _KEYS}
        return self._tracer.start_span(
            f"autocomplete.v1/{method}",
            self._propagator.extract(carrier),
            self._trace.SpanKind.SERVER,
            {"rpc.system": "grpc", "rpc.method": method},
        )

    def _end(self, span: Span, code: grpc.StatusCode) -> None:
        span.set_attribute("rpc.grpc.status_code", code.value[0])
        if code is not grpc.StatusCode.OK:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()


def open_tracing(settings: ServerSettings) -> Tracing | None:
    """What the settings ask for: None without a collector.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    if settings.trace_endpoint is None:
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

        exporter = open_exporter(settings.trace_endpoint)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--trace-endpoint: {error.name} is not installed.",
            remedy=install_hint("tracing"),
        ) from None
    resource = Resource.create({"service.name": "autocomplete"})
    provider = TracerProvider(ParentBasedTraceIdRatio(settings.trace_share), resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider)


def open_exporter(endpoint: str) -> SpanExporter:
    """Sends spans to a collector, by OTLP over gRPC; `http://` without TLS."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"), timeout=_EXPORT_TIMEOUT_S)
