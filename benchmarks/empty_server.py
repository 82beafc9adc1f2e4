"""A server that answers CompleteQuery with fixed bytes: what gRPC in Python itself costs.

Run as `python -m benchmarks.empty_server PORT HEX_OF_ANSWER`; `benchmarks.latency` does.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from service import bootstrap
from service.config import ServerSettings
from service.rpc.admission import Load
from service.rpc.interceptors import add_handlers
from service.rpc.pools import WorkerPool
from service.rpc.servicers import AUTOCOMPLETE_SERVICE


def main() -> None:
    """Serves until it is ended."""
    port, answer = int(sys.argv[1]), bytes.fromhex(sys.argv[2])

    def respond(_request: bytes, _context: Any) -> bytes:
        return answer

    threads = ServerSettings.model_fields["max_concurrent"].default
    server = grpc.server(WorkerPool(threads, "call", Load(time.perf_counter)), options=bootstrap._GRPC_OPTIONS)
    handler = grpc.unary_unary_rpc_method_handler(respond)
    add_handlers(server, AUTOCOMPLETE_SERVICE, {"CompleteQuery": handler})
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
