"""The one place where channels are opened: addresses, credentials, load balancing, retries, keep-alive."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import grpc
import grpc.aio

_SERVICE_CONFIG = {
    # with `dns:///` all addresses of a name share the calls, such as the pods behind a headless service
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [
                {"service": "autocomplete.v1.AutocompleteService"},
                {"service": "autocomplete.v1.ModelService"},
            ],
            # none of these methods changes anything; gRPC tries a stream again only before its first answer
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
        # a session itself sends its newest keystroke again; the older ones no longer matter
        {"name": [{"service": "autocomplete.v1.AutocompleteService", "method": "StreamCompleteQuery"}]},
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},  # a server that is down is not flooded
}

ChannelOptions = Sequence[tuple[str, str | int]]
OPTIONS: ChannelOptions = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # sent while calls are open, so that a session notices a server that vanished; the server allows one every 10 s
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


def open_channel(
    address: str, *, credentials: grpc.ChannelCredentials | None = None, options: ChannelOptions = OPTIONS
) -> grpc.Channel:
    """A channel for threads.

    Args:
        address: see `target`.
        credentials: for TLS. If None, nothing is encrypted.
        options: of gRPC.

    Raises:
        ValueError: that is no address.
    """
    if credentials is None:
        return grpc.insecure_channel(target(address), options=options)
    return grpc.secure_channel(target(address), credentials, options=options)


def open_async_channel(
    address: str, *, credentials: grpc.ChannelCredentials | None = None, options: ChannelOptions = OPTIONS
) -> grpc.aio.Channel:
    """A channel for asyncio; see `open_channel`."""
    if credentials is None:
        return grpc.aio.insecure_channel(target(address), options=options)
    return grpc.aio.secure_channel(target(address), credentials, options=options)


def target(address: str) -> str:
    """The gRPC target for HOST:PORT, resolved by DNS. A target with a scheme, such as `unix:/run/a.sock`, stays.

    Raises:
        ValueError: it is neither.
    """
    if re.match(r"[a-z][a-z0-9+.-]*:(?!\d+$)", address):
        return address
    if re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}", address) is None:
        raise ValueError(f"{address!r} is not HOST:PORT, such as 127.0.0.1:50051.")
    return f"dns:///{address}"
