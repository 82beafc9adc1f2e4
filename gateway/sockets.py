"""`StreamCompleteQuery` as a WebSocket at `/v1:streamCompleteQuery`: messages as JSON, one gRPC stream for each socket.

When one side ends, the gateway ends the other. If the stream fails, the gateway closes the socket with a code and a
reason: 1008 if the client must change what it sends, 1013 when the client should retry later, 1011 otherwise. A client
then opens another socket, or asks `CompleteQuery` instead.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from google.rpc import code_pb2, status_pb2
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.access import may_open
from gateway.config import GatewaySettings
from gateway.errors import status_from, status_line
from gateway.messages import malformed, parse_object, read_message, to_json
from gateway.metrics import Metrics
from gateway.upstream import Upstream, metadata_of
from lm.errors import RequestError

SOCKET_PATH = "/v1:streamCompleteQuery"
_METHOD = "/autocomplete.v1.AutocompleteService/StreamCompleteQuery"
_NORMAL, _POLICY, _FAILED, _LATER = 1000, 1008, 1011, 1013  # RFC 6455, section 7.4.1, and IANA's registry
_CLOSE_CODES = {
    code_pb2.INVALID_ARGUMENT: _POLICY,
    code_pb2.NOT_FOUND: _POLICY,
    code_pb2.RESOURCE_EXHAUSTED: _LATER,
    code_pb2.UNAVAILABLE: _LATER,
}
_MAX_REASON_BYTES = 123


class Sockets:
    """All typing sessions over WebSockets."""

    def __init__(self, settings: GatewaySettings, upstream: Upstream, metrics: Metrics) -> None:
        self._settings = settings
        self._upstream = upstream
        self._metrics = metrics
        self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serves one socket, from its opening to its end."""
        if not may_open(socket, self._settings):
            await socket.close(_POLICY)  # before it is accepted, so that the page gets HTTP 403
            self._metrics.sockets.labels("refused").inc()
            return
        await socket.accept()
        if self._open >= self._settings.max_sockets:
            await socket.close(_LATER, "RESOURCE_EXHAUSTED: too many typing sessions")
            self._metrics.sockets.labels("refused").inc()
            return
        self._open += 1
        self._metrics.open_sockets.inc()
        outcome = "failed"
        try:
            outcome = await self._relay(socket)
        finally:
            self._open -= 1
            self._metrics.open_sockets.dec()
            self._metrics.sockets.labels(outcome).inc()

    async def _relay(self, socket: WebSocket) -> str:
        """Carries messages both ways until one side ends. Returns the outcome."""
        call = self._upstream.stream(_METHOD, metadata=metadata_of(socket))
        up = asyncio.create_task(self._up(socket, call))
        down = asyncio.create_task(self._down(socket, call))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if up.done() and up.exception() is None:
                await asyncio.wait((down,))
            code, reason, outcome = _ending((down if down.done() else up).exception())
            with suppress(RuntimeError, WebSocketDisconnect):  # the page has left in the meantime
                await socket.close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))
            return outcome
        finally:
            call.cancel()
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, socket: WebSocket, call: Any) -> None:
        """From the page to the server."""
        while True:
            async with asyncio.timeout(self._settings.socket_idle_s):
                text = await socket.receive_text()
            self._metrics.socket_messages.labels("in").inc()
            request = read_message(pb.StreamCompleteQueryRequest, parse_object(text))
            try:
                await call.write(request.SerializeToString())
            except asyncio.InvalidStateError:  # the stream has ended, and `_down` knows why
                return

    async def _down(self, socket: WebSocket, call: Any) -> None:
        """From the server to the page."""
        while (answer := await call.read()) is not grpc.aio.EOF:
            self._metrics.socket_messages.labels("out").inc()
            await socket.send_text(to_json(pb.StreamCompleteQueryResponse.FromString(answer)).decode())


def _ending(error: BaseException | None) -> tuple[int, str, str]:
    """Code and reason for closing the socket, and the outcome."""
    if error is None or isinstance(error, WebSocketDisconnect):
        return _NORMAL, "", "closed"
    if isinstance(error, TimeoutError):
        return _NORMAL, "idle", "idle"
    if isinstance(error, KeyError):  # the message has bytes and no text
        error = malformed("message", "is not text.", "Send JSON as text.")
    status = status_from(error) if isinstance(error, Exception) else status_pb2.Status(code=code_pb2.CANCELLED)
    outcome = "refused" if isinstance(error, RequestError) else "failed"
    return _CLOSE_CODES.get(status.code, _FAILED), status_line(status), outcome
