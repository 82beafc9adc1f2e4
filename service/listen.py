"""What listens: the gRPC server, with its address, port and options, and the server of the metrics."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, start_http_server

from lm.errors import UnavailableError
from service.config import split_address

GRPC_OPTIONS = (
    ("grpc.max_receive_message_length", 1024 * 1024),
    ("grpc.keepalive_time_ms", 60_000),  # finds callers that vanished
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # allows callers to ping while nobody types
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.server_handshake_timeout_ms", 10_000),  # closes a connection that says nothing
    ("grpc.max_concurrent_streams", 2_000),  # on one connection: the server keeps answers that nobody reads
    ("grpc.http2.bdp_probe", 0),  # windows stay small: gRPC buffers little of a flood that the server reads slowly
    ("grpc.max_connection_age_ms", 300_000),  # plus or minus a tenth: clients reconnect and spread over the workers
    ("grpc.max_connection_age_grace_ms", 3_600_000),  # for open calls: a health watch has no end of its own
    ("grpc.http2.ping_timeout_ms", 20_000),  # keepalive pings have a limit of their own, 60 s by default
)

Handlers = Mapping[str, Mapping[str, Any]]
"""gRPC's method handlers by service and method."""


def grpc_server(address: str, handlers: Handlers, *, shared: bool) -> tuple[grpc.aio.Server, int]:
    """Makes a server for the running event loop that will listen on an address, and says on which port.

    Args:
        address: HOST:PORT; port 0 takes a free one.
        handlers: what it serves; reflection is added.
        shared: whether other processes may listen on the same port.

    Raises:
        UnavailableError: the port is taken, or the host is not this machine's.
    """
    server = grpc.aio.server(options=(*GRPC_OPTIONS, ("grpc.so_reuseport", int(shared))))
    for service, methods in handlers.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    reflection.enable_server_reflection((*handlers, reflection.SERVICE_NAME), server)
    try:
        if not shared:
            try_port(address)
        return server, server.add_insecure_port(address)
    except (OSError, RuntimeError) as error:
        raise port_taken("--address", address, error) from None


def serve_metrics(address: str, registry: CollectorRegistry) -> tuple[int, Callable[[], None]]:
    """Serves metrics over HTTP; returns the port, 0 if the address is `off`, and what ends it.

    Raises:
        UnavailableError: the port is taken, or the host is not this machine's.
    """
    if address == "off":
        return 0, lambda: None
    host, port = split_address(address)
    try:
        http, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise port_taken("--metrics-address", address, error) from None

    def close() -> None:
        http.shutdown()
        http.server_close()
        thread.join()

    return http.server_port, close


def try_port(address: str) -> None:
    """Listens for a moment, because the error of a socket says what is wrong and gRPC's does not.

    Raises:
        OSError: the port is taken, or the host is not this machine's.
    """
    host, port = split_address(address)
    socket.create_server((host, port), family=_family(host)).close()


def reserve_port(address: str) -> socket.socket:
    """Holds a port without listening on it, so that processes of this user can share it; port 0 takes a free one.

    Raises:
        OSError: the port is taken, or the host is not this machine's.
    """
    try_port(address)
    host, port = split_address(address)
    held = socket.socket(_family(host))
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError:
        held.close()
        raise
    return held


def port_taken(flag: str, address: str, error: OSError | RuntimeError) -> UnavailableError:
    """The error for a flag that names an address on which nobody can listen."""
    reason = ""
    if isinstance(error, OSError) and error.strerror:
        reason = f" ({error.strerror.partition(' (')[0].lower()})"  # `socket` adds the address once more
    return UnavailableError(
        f"{flag}: cannot listen on {address}{reason}: the port is taken, or the host is not this machine's.",
        remedy="Stop what listens there, or choose another port.",
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
