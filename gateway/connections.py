"""Bounds on connections: how many, how fast they come, how slow or large a head may be, how slow a reader.

Uvicorn itself bounds none of these; its settings bound idle connections and the size of a WebSocket's messages. So this
file adds to uvicorn's protocol classes, which `uvicorn.Config` takes as `http` and `ws`.
"""

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
_SLICE_BYTES = 8 * 1024
_READ_TIMEOUT_S = 30.0
_BURST_S = 2.0
_BODY = b'{"code":8,"message":"Too many connections. Try again later.","details":[]}'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Admission:
    """Decides whether the gateway takes a new connection, by a count and a token bucket of two seconds' worth."""

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
        """Takes a connection, until `leave`. Returns False if there is no room for it."""
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
        """Gives back a connection that has ended."""
        self._open -= 1
        self._metrics.open_connections.set(self._open)

    def refused(self, reason: str) -> None:
        """Counts a connection that was refused or ended."""
        self._metrics.refused_connections.labels(reason).inc()


def bounded_protocols(admission: Admission) -> tuple[type[HttpToolsProtocol], type[WebSocketsSansIOProtocol]]:
    """Uvicorn's protocols for HTTP and WebSockets, with the bounds."""

    class ReadInTime(asyncio.Protocol):
        """Ends a connection if the other side does not read what it was sent."""

        loop: asyncio.AbstractEventLoop
        transport: asyncio.Transport
        _unread: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self.loop.call_later(_READ_TIMEOUT_S, self._give_up)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._read()

        def connection_lost(self, exc: Exception | None) -> None:
            self._read()
            super().connection_lost(exc)

        def _read(self) -> None:
            if self._unread is not None:
                self._unread.cancel()
                self._unread = None

        def _give_up(self) -> None:
            admission.refused("slow_reader")
            self.transport.abort()  # `close` would wait until the other side reads

    class BoundedHttp(ReadInTime, HttpToolsProtocol):
        """One connection, until it becomes a WebSocket."""

        _admitted = False
        _waiting: asyncio.TimerHandle | None = None  # for the connection's first byte, then for the end of each head
        _head_bytes = 0

        def connection_made(self, transport: Any) -> None:
            self._admitted = admission.enter()
            if self._admitted:
                super().connection_made(transport)
                self._waiting = self.loop.call_later(self.timeout_keep_alive, transport.close)
            else:
                transport.write(_REFUSAL)
                transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            if self._admitted:
                admission.leave()
                super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            for start in range(0, len(data), _SLICE_BYTES):  # a whole head, and more, may come at once
                if not self._admitted or self.transport.is_closing() or self.transport.get_protocol() is not self:
                    return
                part = data[start : start + _SLICE_BYTES]
                super().data_received(part)
                self._head_bytes += len(part)
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

    class BoundedSocket(ReadInTime, WebSocketsSansIOProtocol):
        """A connection that became a WebSocket."""

        def handle_ping(self) -> None:
            if self.writable.is_set():
                super().handle_ping()
            else:  # without this, pongs would pile up for a client that reads none
                self.conn.data_to_send()

        def connection_lost(self, exc: Exception | None) -> None:
            admission.leave()
            super().connection_lost(exc)

    return BoundedHttp, BoundedSocket
