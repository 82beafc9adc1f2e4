"""`autocomplete gateway`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.serve import SettingsCommand

_Text = Annotated[str | None, typer.Option()]
_Count = Annotated[int | None, typer.Option()]
_Amount = Annotated[float | None, typer.Option()]


class GatewayCommand(SettingsCommand):
    """See `SettingsCommand`."""

    def describe(self) -> list[tuple[str, str, str, str]]:
        """The gateway's settings."""
        from gateway.config import describe_settings

        return describe_settings()


def gateway(
    *,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings, named as the flags, `-` written `_`.")
    ] = None,
    address: _Text = None,
    server: _Text = None,
    channels: _Count = None,
    timeout_s: _Amount = None,
    generate_timeout_s: _Amount = None,
    socket_idle_s: _Amount = None,
    public_url: _Text = None,
    allowed_hosts: _Text = None,
    allowed_origins: _Text = None,
    cache_s: _Count = None,
    max_body_kb: _Count = None,
    max_connections: _Count = None,
    connections_per_s: _Amount = None,
    max_sockets: _Count = None,
    trusted_proxies: _Text = None,
    drain_s: _Amount = None,
    log_level: _Text = None,
    log_format: _Text = None,
) -> None:
    """Serves JSON over HTTP, browsers' address bars and a page to try it, all by a gRPC server.

    A flag counts before its environment variable, that before the file of --config.
    """
    overrides: dict[str, object] = {name: value for name, value in locals().items() if name != "config"}
    from gateway.config import load_settings

    settings = load_settings(overrides, config)
    from gateway.process import serve as run_gateway

    run_gateway(settings)
