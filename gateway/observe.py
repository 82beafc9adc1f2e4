"""What is counted, logged and added to each HTTP response; never a request's text or path."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.metrics import Metrics

_METHOD = "autocomplete.method"
_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


def name_method(scope: Scope, method: str) -> None:
    """Notes what a request is counted under: a method of the contract, `page`, `probe`."""
    scope[_METHOD] = method


class Observer:
    """Wraps the whole application."""

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
        status = 499  # the caller left before there was a response

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, observed)
        finally:
            self._metrics.in_flight.dec()
            self._ended(scope, status, self._clock() - start_s)

    def _ended(self, scope: Any, status: int, took_s: float) -> None:
        method = scope.get(_METHOD, "other")
        self._metrics.requests.labels(method, str(status)).inc()
        self._metrics.request_duration.labels(method).observe(took_s)
        self._log.debug("call", method=method, status=status, duration_ms=round(took_s * 1000, 3))
