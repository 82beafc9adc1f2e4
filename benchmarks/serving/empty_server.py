"""A server that answers each method with fixed bytes: what gRPC in Python itself costs.

Run as `python -m benchmarks.serving.empty_server PORT METHOD=HEX_OF_ANSWER...`. It has the real server's gRPC options
and as many threads, and nothing else of it.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from service.config import ServerSettings
from service.listen import GRPC_OPTIONS
from service.rpc.servicers import AUTOCOMPLETE_SERVICE


def main() -> None:
    """Serves until it is ended."""
    port, *ready = sys.argv[1:]
    threads = ServerSettings.model_fields["max_concurrent"].default
    server = grpc.server(ThreadPoolExecutor(threads), options=GRPC_OPTIONS)
    answers = (text.partition("=") for text in ready)
    handlers = {name: _handler(bytes.fromhex(answer)) for name, _, answer in answers}
    server.add_registered_method_handlers(AUTOCOMPLETE_SERVICE, handlers)
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def _handler(answer: bytes) -> Any:
    return grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)


if __name__ == "__main__":
    main()
