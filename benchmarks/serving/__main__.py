"""The suite of serving: `python -m benchmarks.serving`, from the checkout.

Server on one core, load on another, metrics, default logs and admission on; every figure beside an empty handler's in
the same run. Writes a table into `var/benchmarks/serving/`. `--train` makes the model first, `--train --big`
larger ones as well. `--against FOLDER` measures the server of another checkout in the same run.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.bundles import find_bundle
from benchmarks.command import ROOT, run
from benchmarks.serving.bench import FULL, OTHER, QUICK, Bench
from benchmarks.serving.figures import Figure, save, setting
from benchmarks.serving.model import SIZES, WORK, serving_bundle, train_joined, train_serving
from benchmarks.serving.servers import CLIENT_CORES, python_of

TAKE_TURNS = ("cached", "uncached", "traffic")
"""Parts that measure both checkouts by turns. The others measure one server, and then the other one."""
PARTS = (*TAKE_TURNS, "redis", "workers", "scale", "overload", "streams", "reload")


def main(
    only: Annotated[str, typer.Option(metavar="NAME,...", help="Parts to measure.")] = ",".join(PARTS),
    quick: Annotated[bool, typer.Option("--quick", help="Few calls: to see that it works.")] = False,
    bundle: Annotated[Path | None, typer.Option(help="Bundle or registry, instead of that of serving.toml.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the table.")] = WORK,
    against: Annotated[Path | None, typer.Option(help="Folder of another checkout to measure too.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train the model of serving.toml.")] = False,
    big: Annotated[bool, typer.Option("--big", help="With --train: the larger models too.")] = False,
) -> None:
    """Measures and prints."""
    parts = only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        raise typer.BadParameter(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if train:
        print(f"Bundle: {train_serving()}")
        for queries in SIZES if big else ():
            print(f"Bundle: {train_joined(queries)}", flush=True)
        return
    measured = find_bundle(bundle.resolve()) if bundle else serving_bundle() or train_serving()
    other = against.resolve() if against else None
    if other is not None:
        python_of(other)
    os.sched_setaffinity(0, CLIENT_CORES)
    for name in parts:
        checkouts = {name: ROOT}
        if other is not None and name not in TAKE_TURNS:
            checkouts |= {f"{name}, {OTHER}": other}
        for title, checkout in checkouts.items():
            found_in = setting(measured, quick=quick)
            with tempfile.TemporaryDirectory() as folder:
                bench = Bench(
                    bundle=measured,
                    effort=QUICK if quick else FULL,
                    folder=Path(folder),
                    checkout=checkout,
                    against=other,
                )
                save(out, title, list(_measure(name, title, bench)), found_in)
    print(f"Written to {out}")


def _measure(name: str, title: str, bench: Bench) -> Iterator[Figure]:
    """Prints the figures of a part as they are found."""
    print(f"\n{title}", flush=True)
    for figure in importlib.import_module(f"benchmarks.serving.parts.{name}").measure(bench):
        met = {True: "  met", False: "  NOT MET", None: ""}[figure.met]
        target = f" (target: {figure.target})" if figure.target else ""
        print(f"  {figure.name}: {figure.measured}{target}{met}", flush=True)
        yield figure


if __name__ == "__main__":
    run(main, __doc__)
