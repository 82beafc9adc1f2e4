"""`StreamCompleteQuery` as a WebSocket at `/v1:streamCompleteQuery`: messages as JSON, one gRPC stream for each socket.

When one side ends, the gateway ends the other. If the stream fails, the gateway closes the socket with a code and a
reason: 1008 if the client must change what it sends, 1013 when the client should retry later, 1011 otherwise. A client
then opens another socket, or asks `CompleteQuery` instead.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from google.rpc import code_pb2, status_pb2
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.access import may_open
from gateway.config import GatewaySettings
from gateway.errors import status_from, status_line
from gateway.messages import parse_object, read_message, to_json
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
            ended = down if down.done() else up
            return await self._close(socket, ended.exception())
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

    async def _close(self, socket: WebSocket, error: BaseException | None) -> str:
        if isinstance(error, WebSocketDisconnect):
            return "closed"
        if error is None:
            await _close(socket, _NORMAL, "")
            return "closed"
        if isinstance(error, TimeoutError):
            await _close(socket, _NORMAL, "idle")
            return "idle"
        if isinstance(error, KeyError):  # the message has bytes and no text
            error = RequestError("message", "is not text.", fault="MALFORMED", remedy="Send JSON as text.")
        status = status_from(error) if isinstance(error, Exception) else status_pb2.Status(code=code_pb2.CANCELLED)
        await _close(socket, _CLOSE_CODES.get(status.code, _FAILED), status_line(status))
        return "refused" if isinstance(error, RequestError) else "failed"


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    cut = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    try:
        await socket.close(code, cut)
    except (RuntimeError, WebSocketDisconnect):  # the page has left in the meantime
        return
