"""The query index at scale: build time, memory, bytes a query, and how look-ups slow down as it grows.

Run from the checkout: `python -m benchmarks.index_scale` (10 million queries) or `... --queries 1000000`. The queries
are real ones of web logs joined in pairs, for their number only; what is typed are beginnings of real ones.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.query_completion import DATA, DATA_VARIABLE, ROOT
from lm.index.queries import QueryIndex
from lm.text.normalize import normalize_query
from training.data.sources import read_lines
from training.query_index import index_queries

WORK = ROOT / "var" / "benchmarks" / "index_scale"
SMALL = 100_000
_PREFIXES = 4000
_ROUNDS = 5
_COMPLETIONS = 10


def main() -> int:
    """Builds a small and a large index and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000_000, help="Distinct queries of the large index.")
    parser.add_argument("--build", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        index_queries(*arguments.build)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return 0
    data = Path(os.environ.get(DATA_VARIABLE, DATA))
    logs = sorted(data.glob("*.txt.xz"))
    if not logs:
        print(f"Skipped: there are no logs in {data}. {DATA_VARIABLE} names their folder.")
        return 0
    queries = read_queries(logs)
    small, large = (_build(queries, size) for size in (SMALL, arguments.queries))
    # Full lists in both: a look-up that finds less costs less.
    prefixes = [typed for typed in _typed(queries) if len(small.completions(typed, _COMPLETIONS)[0]) == _COMPLETIONS]
    for name in ("completions", "infix_completions"):
        times = {size: _median_us(getattr(index, name), prefixes) for size, index in ((0, small), (1, large))}
        print(f"{name}: p50 {times[0]:.1f} us and {times[1]:.1f} us, {times[1] / times[0]:.2f} times")
    return 0


def read_queries(logs: list[Path]) -> list[str]:
    """Distinct normalised queries of the logs, sorted."""
    return sorted({normalize_query(line).rstrip() for path in logs for _, line in read_lines(path)} - {""})


def _typed(queries: list[str]) -> list[str]:
    """Beginnings of 3 to 10 characters of real queries."""
    chance = random.Random(1)
    return [chance.choice(queries)[: chance.randint(3, 10)] for _ in range(_PREFIXES)]


def _build(queries: list[str], size: int) -> QueryIndex:
    """Builds an index in a process of its own, so that its memory is the build's alone."""
    folder = WORK / f"{size}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parquet = folder.with_suffix(".parquet")
    write_joined(queries, size, parquet)
    begun = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.index_scale", "--build", str(parquet), str(folder)]
    peak_kb = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds = time.perf_counter() - begun
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    besides = (sum(files.values()) - files["queries.blob.npy"]) / size
    print(
        f"{size:,} queries: {seconds:.1f} s, {peak_kb / 1e6:.2f} GB at most; {besides:.1f} bytes a query besides"
        f" {files['queries.blob.npy'] / size:.1f} of text",
        flush=True,
    )
    return QueryIndex(folder)


def write_joined(queries: list[str], size: int, path: Path) -> None:
    """A table of `size` distinct queries, real ones joined in pairs, in byte order, with counts by Zipf's law."""
    import ibis

    connection = ibis.duckdb.connect(memory_limit="1GB", temp_directory=str(path.with_suffix(".spill")))
    connection.raw_sql("SET enable_progress_bar = false")
    table = ibis.memtable({"text": queries, "place": range(len(queries))})
    connection.create_table("queries", table)
    step = -(-size * 11 // (10 * len(queries)))  # partners of each, a tenth to spare for equal ones
    connection.raw_sql(
        f"""
        COPY (
            SELECT query, CAST(ceil(0.5 / (hash(query) % 1000003 + 1) * 1000003) AS BIGINT) AS count FROM (
                SELECT DISTINCT a.text || ' ' || b.text AS query
                FROM queries a, range({step}) r(k), queries b
                WHERE b.place = (a.place * 31 + r.k * 7919 + 1) % {len(queries)}
                LIMIT {size}
            ) ORDER BY query
        ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
        """
    )
    connection.disconnect()


def _median_us(look_up: Callable[[str, int], object], prefixes: list[str]) -> float:
    """Median time of a look-up, each prefix's best of some rounds."""
    best = np.full(len(prefixes), np.inf)
    for _ in range(_ROUNDS):
        for place, prefix in enumerate(prefixes):
            begun = time.perf_counter()
            look_up(prefix, _COMPLETIONS)
            best[place] = min(best[place], time.perf_counter() - begun)
    return float(np.median(best)) * 1e6


if __name__ == "__main__":
    sys.exit(main())
