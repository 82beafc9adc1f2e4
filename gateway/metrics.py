"""What Prometheus sees of the gateway. Names are pinned by a test; labels have few values."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_LATENCY_BUCKETS_S = (0.001, 0.002, 0.004, 0.006, 0.01, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The gateway's metrics, in a collector registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "autocomplete_gateway_requests",
            "HTTP requests that ended, by method of the contract (or page, probe, other) and HTTP status.",
            ("method", "status"),
            registry=registry,
        )
        self.request_duration = Histogram(
            "autocomplete_gateway_request_duration_seconds",
            "Time from a request's headers to the end of its response.",
            ("method",),
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.in_flight = Gauge(
            "autocomplete_gateway_requests_in_flight", "HTTP requests being worked on.", registry=registry
        )
        self.open_connections = Gauge(
            "autocomplete_gateway_open_connections", "Connections open now, WebSockets included.", registry=registry
        )
        self.refused_connections = Counter(
            "autocomplete_gateway_refused_connections",
            "Connections refused or ended, by reason: too_many, too_fast, slow_head, large_head, slow_reader.",
            ("reason",),
            registry=registry,
        )
        self.open_sockets = Gauge(
            "autocomplete_gateway_open_sockets",
            "WebSockets open now; each is a stream of the server.",
            registry=registry,
        )
        self.sockets = Counter(
            "autocomplete_gateway_sockets",
            "WebSockets that ended, by outcome: closed (by the page), idle, refused, failed (by the server).",
            ("outcome",),
            registry=registry,
        )
        self.socket_messages = Counter(
            "autocomplete_gateway_socket_messages",
            "Messages of WebSockets by direction: in, out.",
            ("direction",),
            registry=registry,
        )
