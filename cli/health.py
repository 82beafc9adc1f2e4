"""`autocomplete health`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import EXIT_FAILED


def health(
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Server to ask.")] = "127.0.0.1:50051",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its answer.")] = 2.0,
) -> None:
    """Asks whether a server is ready; exits with 0 if it is, else with 1."""
    from service.workers.health_check import check

    ready = check(address, timeout)
    print(f"{address}: {'serving' if ready else 'not serving'}")
    if not ready:
        raise typer.Exit(EXIT_FAILED)
