"""`autocomplete evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.bundles import find_bundle
from cli.output import print_json, stderr, stdout


def evaluate(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle, or REGISTRY/NAME.")],
    text: Annotated[Path | None, typer.Option(help="Running text to measure on.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Queries to measure on, one a line.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Prints the metrics as JSON.")] = False,
) -> None:
    """Measures a bundle, on the held-out data that it keeps unless files are given."""
    from cli.metrics_tables import metrics_tables
    from training.evaluate import evaluate_files
    from training.progress import TerminalReporter

    metrics = evaluate_files(find_bundle(bundle), text=text, queries=queries, reporter=TerminalReporter(stderr()))
    if as_json:
        print_json(metrics)
        return
    for table in metrics_tables(metrics):
        stdout().print(table)
