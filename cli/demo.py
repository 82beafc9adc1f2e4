"""`autocomplete demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import stdout


def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 50051,
    folder: Annotated[Path, typer.Option(help="Folder for the sample, the models and the logs.")] = Path("var/demo"),
    exit_after_tour: Annotated[bool, typer.Option("--exit", help="Stops after the tour.")] = False,
    train_only: Annotated[
        bool, typer.Option("--train-only", help="Trains and stops. Does nothing if the registry has other models.")
    ] = False,
) -> None:
    """Trains on sample data, serves the result with its page and shows what it suggests, until Ctrl-C."""
    from demo.demo import run_demo, train_demo

    if train_only:
        train_demo(folder, stdout())
        return
    run_demo(folder, f"127.0.0.1:{port}", exit_after_tour, stdout())
