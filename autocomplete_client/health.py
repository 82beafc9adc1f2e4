"""Asks a server whether it is ready: for `autocomplete health`, health checks of containers and scripts."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from autocomplete_client.channel import open_channel


def check(address: str, timeout_s: float, *, service: str = "") -> bool:
    """Whether the server there answers and is ready.

    Args:
        address: HOST:PORT, or a gRPC target.
        timeout_s: how long to wait for the answer.
        service: full name of a service; empty for the server as a whole.

    Raises:
        ValueError: that is no address.
    """
    with open_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            response = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError:
            return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)
