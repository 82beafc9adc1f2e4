"""What the gateway counts and logs; never a request's text or path.

A test pins the metrics' names. Labels have few values.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.telemetry.describe import Description, MetricMaker

_LATENCY_BUCKETS_S = (0.001, 0.002, 0.004, 0.006, 0.01, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_NO_RESPONSE = 499  # the caller left before there was a response


class Metrics:
    """The gateway's metrics, in a collector registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        make = self._make = MetricMaker(self.registry, "autocomplete_gateway_")
        self.requests = make.counter(
            "requests",
            "HTTP requests that ended, by method of the API (or page, probe, other) and HTTP status.",
            *("method", "status"),
        )
        self.request_duration = make.histogram(
            "request_duration_seconds",
            "Time from a request's headers to the end of its response.",
            "method",
            buckets=_LATENCY_BUCKETS_S,
        )
        self.in_flight = make.gauge("requests_in_flight", "HTTP requests being worked on.")
        self.open_connections = make.gauge("open_connections", "Connections open now, WebSockets included.")
        self.refused_connections = make.counter(
            "refused_connections",
            "Connections that the gateway refused or ended, by reason: "
            "too_many, too_fast, slow_head, large_head, slow_reader.",
            "reason",
        )
        self.open_sockets = make.gauge("open_sockets", "WebSockets open now; each is a stream of the server.")
        self.sockets = make.counter(
            "sockets",
            "WebSockets that ended, by outcome: closed (by the page), idle, refused, failed (by the server).",
            "outcome",
        )
        self.socket_messages = make.counter(
            "socket_messages", "Messages of WebSockets by direction: in, out.", "direction"
        )

    def described(self) -> list[Description]:
        """All metrics of the gateway, in order."""
        return list(self._make.described)


class Observer:
    """Counts and times each HTTP request under the name of its route."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._log = structlog.get_logger("gateway.calls").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_s = self._clock()
        status = _NO_RESPONSE

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, observed)
        finally:
            self._metrics.in_flight.dec()
            self._ended(scope, status, self._clock() - start_s)

    def _ended(self, scope: Any, status: int, took_s: float) -> None:
        method = getattr(scope.get("route"), "name", None) or "other"
        self._metrics.requests.labels(method, str(status)).inc()
        self._metrics.request_duration.labels(method).observe(took_s)
        self._log.debug("call", method=method, status=status, duration_ms=round(took_s * 1000, 3))
