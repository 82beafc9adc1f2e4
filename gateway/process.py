"""The gateway as a process, which runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType

import structlog
import uvicorn

from gateway.app import Gateway
from gateway.config import GatewaySettings
from gateway.connections import Admission, bounded_protocols
from service.config import split_address
from service.listen import port_taken
from service.telemetry.logs import configure_logs

_KEEP_ALIVE_S = 75
_BACKLOG = 512
_HEADERS = [  # of every response
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
]
_log = structlog.get_logger("gateway.server")


def serve(settings: GatewaySettings) -> None:
    """Serves until SIGTERM or SIGINT, then stops gracefully. A second signal ends the process at once.

    Raises:
        UnavailableError: the port is taken.
    """
    configure_logs(settings.log_level, settings.log_format)
    listener = listen(settings.address)
    _log.info("listening", port=listener.getsockname()[1], server=settings.server)
    asyncio.run(http_server(settings, Gateway(settings)).serve(sockets=[listener]))
    _log.info("stopped")


class HttpServer(uvicorn.Server):
    """Uvicorn's server, but after a stop that a signal asked for the process ends with exit code 0."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Asks for a stop, and the second time for an immediate one."""
        _log.info("stopping", reason=signal.Signals(sig).name)
        self.force_exit = self.should_exit
        self.should_exit = True


def http_server(settings: GatewaySettings, gateway: Gateway) -> HttpServer:
    """An HTTP server for the gateway, within the bounds of the settings."""
    admission = Admission(
        max_connections=settings.max_connections,
        connections_per_s=settings.connections_per_s,
        metrics=gateway.metrics,
    )
    http, socket_protocol = bounded_protocols(admission)
    config = uvicorn.Config(
        gateway.app,
        loop="asyncio",  # uvloop is no faster here, because both wait for gRPC's own poller
        http=http,
        ws=socket_protocol,
        ws_max_size=settings.max_body_kb * 1024,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,  # it would show what was typed
        server_header=False,
        headers=_HEADERS,
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
    )
    return HttpServer(config)


def listen(address: str) -> socket.socket:
    """Listens at HOST:PORT.

    Raises:
        UnavailableError: the port is taken.
    """
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise port_taken("--address", address, error) from None
    # asyncio sets it only on sockets that it makes itself; without it a body waits until the head is acknowledged
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
