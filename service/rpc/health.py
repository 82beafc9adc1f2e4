"""`grpc.health.v1.Health`. gRPC's own servicer for asyncio cannot end its watches, which then outlast every drain."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from service.rpc.calls import Call
from service.rpc.status import StatusError

HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
Status = health_pb2.HealthCheckResponse


class Health:
    """Whether each service can answer; its methods belong to the event loop."""

    def __init__(self) -> None:
        self._statuses: dict[str, Any] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def set(self, services: tuple[str, ...], status: Any) -> None:
        """Says whether services can answer; without effect once closed."""
        if not self._closed:
            self._statuses.update(dict.fromkeys(services, status))
            self._tell()

    def close(self) -> None:
        """No service answers any more; watches learn it and end."""
        self._statuses = dict.fromkeys(self._statuses, Status.NOT_SERVING)
        self._closed = True
        self._tell()

    async def check(self, request: health_pb2.HealthCheckRequest, _call: Call) -> bytes:
        """`Check`."""
        status = self._statuses.get(request.service)
        if status is None:
            raise StatusError(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return bytes(Status(status=status).SerializeToString())

    async def watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        """`Watch`: the status now, and again whenever it changes."""
        last = None
        while True:
            changed, closed = self._changed, self._closed
            status = self._statuses.get(request.service, Status.SERVICE_UNKNOWN)
            if status != last:
                await context.write(Status(status=status))
                last = status
            if closed:
                return
            await changed.wait()

    def watch_handler(self) -> Any:
        """gRPC's handler of `Watch`: it is not counted, as it may stay open for as long as its caller lives."""
        return grpc.unary_stream_rpc_method_handler(
            self.watch, health_pb2.HealthCheckRequest.FromString, Status.SerializeToString
        )

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
