"""The query index at scale: build time, memory, bytes a query, and how look-ups slow down as it grows.

Run from the checkout: `python -m benchmarks.index_scale` (10 million queries) or `... --queries 1000000`. The queries
are real ones of web logs joined in pairs, for their number only; what is typed are beginnings of real ones.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.command import WORK, query_logs, run
from lm.index.queries import QueryIndex
from lm.text.normalize import normalize_query
from training.data.sources import read_lines
from training.query_index import index_queries

SMALL = 100_000
_PREFIXES, _ROUNDS, _COMPLETIONS = 4000, 5, 10


def main(queries: int = 10_000_000) -> None:
    """Builds a small and a large index and prints what they took."""
    real = read_queries(query_logs())
    small, large = (_build(real, size) for size in (SMALL, queries))
    chance = random.Random(1)
    typed = [chance.choice(real)[: chance.randint(3, 10)] for _ in range(_PREFIXES)]
    # Full lists in both: a look-up that finds less costs less.
    prefixes = [prefix for prefix in typed if len(small.completions(prefix, _COMPLETIONS)[0]) == _COMPLETIONS]
    for name in ("completions", "infix_completions"):
        before, after = (_median_us(getattr(index, name), prefixes) for index in (small, large))
        print(f"{name}: p50 {before:.1f} us and {after:.1f} us, {after / before:.2f} times")


def read_queries(data: Path) -> list[str]:
    """Distinct normalised queries of the logs, sorted."""
    logs = data.glob("*.txt.xz")
    return sorted({normalize_query(line).rstrip() for path in logs for _, line in read_lines(path)} - {""})


def joined(queries: Sequence[str], size: int) -> list[str]:
    """So many distinct queries, each two real ones; the same every time."""
    chance = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < size:
        found[f"{chance.choice(queries)} {chance.choice(queries)}"] = None
    return list(found)


def _build(queries: Sequence[str], size: int) -> QueryIndex:
    """An index of joined queries in byte order, with counts by Zipf's law."""
    folder = WORK / "index_scale" / f"{size}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    texts = sorted(joined(queries, size))
    counts = np.ceil(size / 10 / (1 + np.random.default_rng(1).permutation(size))).astype(np.int64)
    parquet.write_table(pa.table({"query": texts, "count": counts}), folder.with_suffix(".parquet"))
    # in a process of its own, so that its memory is the build's alone
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seconds, peak_kb = pool.submit(_index, folder).result()
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    text_size = files["queries.blob.npy"]
    print(
        f"{size:,} queries: {seconds:.1f} s, {peak_kb / 1e6:.2f} GB at most;"
        f" {(sum(files.values()) - text_size) / size:.1f} bytes a query besides {text_size / size:.1f} of text",
        flush=True,
    )
    return QueryIndex(folder)


def _index(folder: Path) -> tuple[float, int]:
    """Seconds and the highest memory in kB of building."""
    start_s = time.perf_counter()
    index_queries(folder.with_suffix(".parquet"), folder)
    return time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _median_us(look_up: Callable[[str, int], object], prefixes: list[str]) -> float:
    """Median time of a look-up, each prefix's best of some rounds."""
    best = np.full(len(prefixes), np.inf)
    for _ in range(_ROUNDS):
        for place, prefix in enumerate(prefixes):
            start_s = time.perf_counter()
            look_up(prefix, _COMPLETIONS)
            best[place] = min(best[place], time.perf_counter() - start_s)
    return float(np.median(best)) * 1e6


if __name__ == "__main__":
    run(main, __doc__)
