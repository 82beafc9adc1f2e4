"""Bounds on connections, kept where they come in: how many, how fast, how slow and large a request's head may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.metrics import Metrics

_HEAD_TIMEOUT_S = 10.0
_MAX_HEAD_BYTES = 32 * 1024
_BURST_S = 2.0
_BODY = b'{"code":8,"message":"Too many connections. Try again later.","details":[]}'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Admission:
    """Decides whether a new connection is taken: a count, and a token bucket that holds two seconds' worth."""

    def __init__(
        self,
        *,
        max_connections: int,
        connections_per_s: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_connections = max_connections
        self._per_s = connections_per_s
        self._burst = max(1.0, connections_per_s * _BURST_S)
        self._metrics = metrics
        self._clock = clock
        self._tokens = self._burst
        self._seen_s = clock()
        self._open = 0

    def enter(self) -> bool:
        """Takes a connection, which `leave` gives back; False if there is no room for it."""
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        if self._open >= self._max_connections:
            self.refused("too_many")
            return False
        if self._tokens < 1:
            self.refused("too_fast")
            return False
        self._tokens -= 1
        self._open += 1
        self._metrics.open_connections.set(self._open)
        return True

    def leave(self) -> None:
        """A connection that was taken has ended."""
        self._open -= 1
        self._metrics.open_connections.set(self._open)

    def refused(self, reason: str) -> None:
        """Counts a connection that was refused or ended."""
        self._metrics.refused_connections.labels(reason).inc()


def bounded_protocols(admission: Admission) -> tuple[type[HttpToolsProtocol], type[WebSocketsSansIOProtocol]]:
    """Uvicorn's protocols, with a look at each connection as it comes in."""

    class BoundedHttp(HttpToolsProtocol):
        """One connection, until it becomes a WebSocket."""

        _admitted = False
        _waiting: asyncio.TimerHandle | None = None  # for a connection's first byte, then for the end of each head
        _head_bytes = 0

        def connection_made(self, transport: Any) -> None:
            self._admitted = admission.enter()
            if self._admitted:
                super().connection_made(transport)
                self._waiting = self.loop.call_later(self.timeout_keep_alive, transport.close)  # for its first byte
            else:
                transport.write(_REFUSAL)
                transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            if self._admitted:
                admission.leave()
                super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self._admitted:
                return
            super().data_received(data)
            self._head_bytes += len(data)
            if self._waiting is not None and self._head_bytes > _MAX_HEAD_BYTES:
                self._end("large_head")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._stop_waiting()
            self._head_bytes = 0
            self._waiting = self.loop.call_later(_HEAD_TIMEOUT_S, self._end, "slow_head")

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def _stop_waiting(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _end(self, reason: str) -> None:
            self._stop_waiting()
            admission.refused(reason)
            self.transport.abort()

    class BoundedSocket(WebSocketsSansIOProtocol):
        """A connection that became a WebSocket."""

        def connection_lost(self, exc: Exception | None) -> None:
            admission.leave()
            super().connection_lost(exc)

    return BoundedHttp, BoundedSocket
