"""`autocomplete serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

_Text = Annotated[str | None, typer.Option()]
_Count = Annotated[int | None, typer.Option()]
_Amount = Annotated[float | None, typer.Option()]


class SettingsCommand(TyperCommand):
    """A command whose help takes what each flag means from the settings, which name it once."""

    def describe(self) -> list[tuple[str, str, str, str]]:
        """The settings as rows (flag, environment variable, default, description)."""
        raise NotImplementedError

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints the help."""
        flags: dict[str, Any] = {flag: param for param in self.params for flag in param.opts}
        for flag, variable, default, description in self.describe():
            if flag in flags:
                flags[flag].help = escape(f"{description} (default: {default}; environment: {variable})")
        super().format_help(ctx, formatter)


class ServeCommand(SettingsCommand):
    """See `SettingsCommand`."""

    def describe(self) -> list[tuple[str, str, str, str]]:
        """The server's settings."""
        from service.config import describe_settings

        return describe_settings()


def serve(
    *,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings, named as the flags, `-` written `_`.")
    ] = None,
    registry: _Text = None,
    bundle_cache: Annotated[Path | None, typer.Option()] = None,
    models: _Text = None,
    default_model: _Text = None,
    reload_s: _Amount = None,
    address: _Text = None,
    metrics_address: _Text = None,
    workers: _Count = None,
    cache: _Text = None,
    cache_entries: _Count = None,
    cache_mb: _Count = None,
    redis: _Text = None,
    redis_timeout_ms: _Amount = None,
    redis_ttl_s: _Count = None,
    max_concurrent: _Count = None,
    max_wait_ms: _Amount = None,
    max_long_calls: _Count = None,
    max_streams: _Count = None,
    stream_idle_s: _Amount = None,
    time_budget_ms: _Amount = None,
    drain_s: _Amount = None,
    log_level: _Text = None,
    log_format: _Text = None,
    trace_endpoint: _Text = None,
    trace_share: _Amount = None,
) -> None:
    """Serves the models of a registry over gRPC until it is told to stop.

    A flag counts before its environment variable, that before the file of --config.
    """
    overrides: dict[str, object] = {name: value for name, value in locals().items() if name != "config"}
    from service.config import load_settings

    settings = load_settings(overrides, config)
    from service.workers.process import serve as run_server

    run_server(settings)
