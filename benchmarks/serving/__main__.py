"""The suite of serving: `python -m benchmarks.serving`, from the checkout.

Server on one core, load on another, metrics, default logs and admission on; every figure beside an empty handler's in
the same run. Writes a table and plots into `var/benchmarks/serving/`. `--train` makes the model first, `--train --big`
the made-up ones of growing size as well. `--against FOLDER` measures the server of another checkout in the same run.
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
from benchmarks.serving.bench import FULL, OTHER, QUICK, Bench
from benchmarks.serving.model import SIZES, WORK, serving_bundle, train_serving, train_synthetic
from benchmarks.serving.report import save, setting
from benchmarks.serving.results import Figure, Result
from benchmarks.serving.servers import CLIENT_CORES, THIS, Checkout
from lm.errors import AutocompleteError

PARTS = (
    *("cached", "redis", "uncached", "words", "traffic", "quality", "workers", "scale", "overload", "long_calls"),
    *("streams", "reload", "primitives", "profile"),
)
BY_THEMSELVES = ("redis", "words", "workers", "overload", "long_calls", "streams", "reload")
"""Parts that measure one server, the other checkout's after this one's; `cached`, `uncached`, `traffic` take turns."""


def main() -> int:
    """Measures and prints; without the data it says so and succeeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--only", metavar="NAME,...", default=",".join(PARTS), help=f"parts: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few calls: to see that it works")
    parser.add_argument("--bundle", type=Path, help="measure this bundle or registry instead of that of serving.toml")
    parser.add_argument("--out", type=Path, default=WORK, help="folder for table and plots")
    parser.add_argument("--against", metavar="FOLDER", type=Path, help="measure the server of another checkout too")
    parser.add_argument("--train", action="store_true", help="train the model of serving.toml")
    parser.add_argument("--big", action="store_true", help="with --train: the made-up models too")
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
        print(f"Bundle: {train_synthetic(queries)}", flush=True)
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
        if against is not None and name in BY_THEMSELVES:
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


def _run(name: str, title: str, bench: Bench) -> list[Result]:
    print(f"\n{title}", flush=True)
    begun_s = time.perf_counter()
    results: list[Result] = []
    for result in importlib.import_module(f"benchmarks.serving.parts.{name}").measure(bench):
        results.append(result)
        if isinstance(result, Figure):
            met = {True: "  met", False: "  NOT MET", None: ""}[result.met]
            target = f" (target: {result.target})" if result.target else ""
            print(f"  {result.name}: {result.measured}{target}{met}", flush=True)
    print(f"  took {time.perf_counter() - begun_s:.0f} s", flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
