"""The suite of serving: `python -m benchmarks.serving`, from the checkout.

Server on one core, load on another, metrics, default logs and admission on; every figure beside an empty handler's in
the same run. Writes a table into `var/benchmarks/serving/`. `--train` makes the model first, `--train --big`
larger ones as well. `--against FOLDER` measures the server of another checkout in the same run.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bundles import find_bundle
from benchmarks.serving.bench import FULL, OTHER, QUICK, Bench, Figure
from benchmarks.serving.model import SIZES, WORK, serving_bundle, train_joined, train_serving
from benchmarks.serving.report import save, setting
from benchmarks.serving.servers import CLIENT_CORES, THIS, Checkout
from lm.errors import AutocompleteError

TAKE_TURNS = ("cached", "uncached", "traffic")
"""Parts that measure both checkouts by turns. The others measure one server, and then the other one."""
PARTS = (*TAKE_TURNS, "redis", "workers", "scale", "overload", "long_calls", "streams", "reload", "profile")


def main() -> int:
    """Measures and prints; without the data it says so and succeeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--only", metavar="NAME,...", default=",".join(PARTS), help=f"parts: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few calls: to see that it works")
    parser.add_argument("--bundle", type=Path, help="measure this bundle or registry instead of that of serving.toml")
    parser.add_argument("--out", type=Path, default=WORK, help="folder for the table")
    parser.add_argument("--against", metavar="FOLDER", type=Path, help="measure the server of another checkout too")
    parser.add_argument("--train", action="store_true", help="train the model of serving.toml")
    parser.add_argument("--big", action="store_true", help="with --train: the larger models too")
    given = parser.parse_args()
    unknown = set(given.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    try:
        return _train(big=given.big) if given.train else _measure(given)
    except AutocompleteError as error:
        print(error, file=sys.stderr)
        return 1


def _train(*, big: bool) -> int:
    print(f"Bundle: {train_serving()}")
    for queries in SIZES if big else ():
        print(f"Bundle: {train_joined(queries)}", flush=True)
    return 0


def _measure(given: argparse.Namespace) -> int:
    bundle = find_bundle(given.bundle.resolve()) if given.bundle else serving_bundle() or train_serving()
    if bundle is None:
        return 0
    against = Checkout(given.against.resolve()) if given.against else None
    if against is not None:
        against.check()
    os.sched_setaffinity(0, CLIENT_CORES)
    for name in given.only.split(","):
        checkouts = {name: THIS}
        if against is not None and name not in TAKE_TURNS:
            checkouts |= {f"{name}, {OTHER}": against}
        for title, checkout in checkouts.items():
            found_in = setting(bundle, given.quick)
            with tempfile.TemporaryDirectory() as folder:
                bench = Bench(
                    bundle=bundle,
                    effort=QUICK if given.quick else FULL,
                    folder=Path(folder),
                    checkout=checkout,
                    against=against,
                )
                save(given.out, title, _run(name, title, bench), found_in)
    print(f"Written to {given.out}")
    return 0


def _run(name: str, title: str, bench: Bench) -> list[Figure]:
    print(f"\n{title}", flush=True)
    begun_s = time.perf_counter()
    figures: list[Figure] = []
    for figure in importlib.import_module(f"benchmarks.serving.parts.{name}").measure(bench):
        figures.append(figure)
        met = {True: "  met", False: "  NOT MET", None: ""}[figure.met]
        target = f" (target: {figure.target})" if figure.target else ""
        print(f"  {figure.name}: {figure.measured}{target}{met}", flush=True)
    print(f"  took {time.perf_counter() - begun_s:.0f} s", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
