"""What all measurements share: their command lines, data that may not be there, and bundles trained for them."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import typer
from rich.console import Console

from lm.errors import AutocompleteError
from training.config import load_config
from training.pipeline import train
from training.progress import TerminalReporter

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "var" / "benchmarks"
SPLIT_FILE, TRAINING_LINES = "tb05-first40k.txt.xz", 36_000
"""The log that is split by time, and how many of its lines are for training."""
_SHARED = ROOT.parent / "shared" / "data"


class Skipped(Exception):  # noqa: N818 -- no error
    """The data of a measurement is not here; its command says so and succeeds."""


def run(main: Callable[..., None], description: str | None) -> None:
    """Runs a command: the parameters of `main` are its arguments and options. Known errors are said in plain text."""
    app = new_app()
    app.command(help=description)(main)
    run_app(app)


def new_app(description: str | None = None) -> typer.Typer:
    """An app without commands."""
    return typer.Typer(help=description, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


def run_app(app: typer.Typer) -> None:
    """Runs one of several commands as `run` does. What it has started ends with it, also on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))
    try:
        app()
    except Skipped as skipped:
        print(f"Skipped: {skipped}")
    except AutocompleteError as error:
        sys.exit(str(error))


def reporter() -> TerminalReporter:
    """Shows progress beside what is printed."""
    return TerminalReporter(Console(stderr=True))


def data_folder(variable: str, usual: str, needed: str) -> Path:
    """The folder of some data, which an environment variable names.

    Args:
        needed: a file or folder in it.

    Raises:
        Skipped: it is not there.
    """
    folder = Path(os.environ.get(variable, _SHARED / usual))
    if not (folder / needed).exists():
        raise Skipped(f"there is no {folder / needed}. {variable} names the folder that holds it.")
    return folder


def query_logs() -> Path:
    """The folder of the web query logs; see `data_folder`."""
    return data_folder("AUTOCOMPLETE_BENCHMARK_DATA", "queries", SPLIT_FILE)


def train_bundle(
    name: str, base: Path, changes: Sequence[str] = (), *, folder: str = "", registry: str = "registry"
) -> Path:
    """The bundle of `benchmarks/NAME.toml`; steps that were trained before are not trained again.

    Args:
        base: folder of the data.
        changes: `FIELD=VALUE`, as `autocomplete train --set` takes them.
        folder: of the work and the registry, if it is not the name.

    Raises:
        AutocompleteError: as `autocomplete train`.
    """
    work = WORK / (folder or name)
    places = {"work": work / f"work-{registry}", "publishing.registry": work / registry}
    changes = [*(f"{field}={json.dumps(str(path))}" for field, path in places.items()), *changes]
    config = load_config(ROOT / "benchmarks" / f"{name}.toml", changes)
    return train(config, base=base, reporter=reporter(), activate=True).path
