"""`autocomplete train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.output import EXIT_NOT_ACTIVATED, stderr, stdout

EXAMPLE = """\
name = "shop"

[[text]]
path = "corpus/*.txt"

[[query_log]]
path = "queries.tsv"
count_column = "count"

[[language_models]]
name = "queries"
unit = "subword"
sources = ["queries"]

[[language_models]]
name = "words"
unit = "word"
sources = ["text"]
vocabulary_size = 20000
neural = {}
"""


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file with the configuration of the training.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Overrides a field. May be given several times."),
    ] = None,
    activate: Annotated[
        bool, typer.Option("--activate", help="Activates the bundle even if it measures worse.")
    ] = False,
    engine: Annotated[
        Literal["duckdb", "spark"],
        typer.Option("--engine", help="Engine that counts the query log. Spark is for clusters."),
    ] = "duckdb",
) -> None:
    """Trains a model and publishes it as a bundle REGISTRY/NAME/VERSION.

    If training is interrupted, the same command continues after the last finished step.

    The new bundle becomes the active one, unless it measures worse than the active one on held-out data that neither
    has learnt. Then the exit code is 3, and the last line says why and how to activate it.

    For several machines or processes: `torchrun --nnodes N --nproc-per-node M --no-python autocomplete train CONFIG`.
    They share the folder of the configuration and split each batch of the neural models.
    """
    from cli.train_summary import print_summary
    from training.config import load_config
    from training.pipeline import assist
    from training.pipeline import train as run_training
    from training.progress import SilentReporter, TerminalReporter

    settings = load_config(config, changes or ())
    if os.environ.get("RANK", "0") != "0":  # `torchrun` started this one beside the one that leads
        from training.neural.distributed import end_assistant

        assist(settings, base=config.parent, reporter=SilentReporter())
        end_assistant()
    if any(source.live for source in settings.query_log):
        from cli.live_log import with_live_logs

        settings = with_live_logs(settings, config.parent)
    published = run_training(
        settings, base=config.parent, reporter=TerminalReporter(stderr()), activate=activate, engine=engine
    )
    print_summary(published, settings)
    if not published.activated:
        raise typer.Exit(EXIT_NOT_ACTIVATED)


def print_configuration() -> None:
    """Prints an example of a configuration, and all its fields."""
    from training.config import describe

    console = stdout()
    console.print("[bold]A configuration[/bold] (paths are relative to its folder):\n")
    for line in EXAMPLE.splitlines():
        console.print(f"  {line}".rstrip(), markup=False)
    console.print("\n[bold]All fields[/bold] (`[]`: a list of sections, each `[[...]]` in the file):\n")
    for name, default, description in describe():
        heading = f"  {name}" + (f" = {default}" if default else "")
        console.print(heading, markup=False, style="cyan", soft_wrap=True)
        console.print(f"      {description}", markup=False, soft_wrap=True)
