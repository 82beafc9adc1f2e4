"""The gRPC server as the gateway calls it. Messages stay bytes, so that nothing is parsed twice."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from itertools import cycle
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from starlette.requests import HTTPConnection

from autocomplete_client.channel import OPTIONS, open_async_channel

Metadata = tuple[tuple[str, str], ...]

_HEALTH = "/grpc.health.v1.Health/Check"
_FORWARDED = (b"traceparent", b"tracestate")  # W3C trace context
_TRACE = re.compile(r"[ -~]{1,512}")
"""What gRPC can carry, and at least as long as W3C asks for."""
# one connection for each channel, not one for all
_OPTIONS = (*OPTIONS, ("grpc.use_local_subchannel_pool", 1))


class Upstream:
    """Calls methods by their full path, over several connections in turn.

    Args:
        target: what gRPC connects to.
        channels: how many connections. One worker of the server takes a whole connection, so a single one would leave
            the other workers idle.
    """

    def __init__(self, target: str, channels: int) -> None:
        self._target = target
        self._channel_count = channels

    @cached_property
    def _channels(self) -> list[grpc.aio.Channel]:
        """Opened at the first call, for they belong to the event loop that runs then."""
        return [open_async_channel(self._target, options=_OPTIONS) for _ in range(self._channel_count)]

    @cached_property
    def _turns(self) -> Iterator[grpc.aio.Channel]:
        return cycle(self._channels)

    async def unary(self, path: str, request: bytes, *, metadata: Metadata, timeout_s: float) -> bytes:
        """The serialised answer of a method.

        Raises:
            grpc.RpcError: the call failed.
        """
        answer: bytes = await next(self._turns).unary_unary(path)(request, metadata=metadata, timeout=timeout_s)
        return answer

    def answers(self, path: str, request: bytes, *, metadata: Metadata, timeout_s: float) -> AsyncIterator[bytes]:
        """The call of a method that streams its answers: iterate over it, or `cancel` it."""
        call: AsyncIterator[bytes] = next(self._turns).unary_stream(path)(request, metadata=metadata, timeout=timeout_s)
        return call

    def stream(self, path: str, *, metadata: Metadata) -> Any:
        """The call of a method that streams both ways: `read`, `write`, `cancel`."""
        return next(self._turns).stream_stream(path)(metadata=metadata)

    async def serving(self, timeout_s: float) -> bool:
        """Whether the server's health check says that it answers."""
        request = health_pb2.HealthCheckRequest().SerializeToString()
        try:
            answer = await self.unary(_HEALTH, request, metadata=(), timeout_s=timeout_s)
        except grpc.RpcError:
            return False
        status = health_pb2.HealthCheckResponse.FromString(answer).status
        return bool(status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """Ends all calls and connections."""
        for channel in self._channels:
            await channel.close()


def metadata_of(request: HTTPConnection) -> Metadata:
    """The trace headers of a request, for the server. The gateway leaves out what is not a trace, as W3C says."""
    found: dict[bytes, str] = {}
    for name, value in request.headers.raw:
        if name in _FORWARDED:
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return tuple((name.decode(), text) for name, text in found.items() if _TRACE.fullmatch(text))
