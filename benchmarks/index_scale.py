"""The query index at scale: build time, memory, bytes a query, and how long look-ups take.

Run from the checkout: `python -m benchmarks.index_scale` (1.6 million queries, 10 million titles) or
`... --queries 100000 --titles 200000`. Queries are the first words of one real query of web logs and the last words of
another; titles are two whole ones. What is typed are beginnings of real ones or, for words in any order, some words of
what is in the index, often shuffled, the last one unfinished. The last index is one of titles that share their words.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import shutil
import string
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from benchmarks.command import WORK, query_logs, run
from lm.index.queries import QueryIndex
from lm.text.normalize import normalize_query
from training.data.sources import read_lines
from training.query_index import index_queries

SMALL, SHARED = 100_000, 300_000
_PREFIXES, _ROUNDS, _COMPLETIONS = 4000, 5, 10
_WORDS, _MATCHES = 4000, 20


def main(queries: int = 1_600_000, titles: int = 10_000_000) -> None:
    """Builds the indexes and prints what they took."""
    real = read_queries(query_logs())
    small, large = (_build("titles", joined(real, size)) for size in (SMALL, titles))
    chance = random.Random(1)
    typed = [chance.choice(real)[: chance.randint(3, 10)] for _ in range(_PREFIXES)]
    # Full lists in both: a look-up that finds less costs less.
    prefixes = [prefix for prefix in typed if len(small.completions(prefix, _COMPLETIONS)[0]) == _COMPLETIONS]
    before, after = (_best_us(index.completions, prefixes, _COMPLETIONS) for index in (small, large))
    print(f"completions: {_percentiles(before)} and {_percentiles(after)}: p50 {after[0] / before[0]:.2f} times")
    crossed = _crossed(real, queries)
    for name, texts, index in (("titles", real, large), ("queries", crossed, _build("queries", crossed))):
        _measure_words(f"words in any order, {name}", index, _some_words(texts, chance))
    random_prefixes = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(1, 4))) for _ in range(10_000)]
    _measure_words("titles that share words", _build("shared", _sharing(real, SHARED)), random_prefixes)


def _measure_words(name: str, index: QueryIndex, typed: list[str]) -> None:
    times = _best_us(index.word_matches, typed, _MATCHES)
    print(f"{name}: {_percentiles(times)}", flush=True)


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


def _crossed(queries: Sequence[str], size: int) -> list[str]:
    """So many distinct queries of usual length, real ones among them."""
    chance = random.Random(1)
    found = dict.fromkeys(queries)
    while len(found) < size:
        first, second = chance.choice(queries).split(), chance.choice(queries).split()
        found[" ".join([*first[: chance.randint(1, 3)], *second[-chance.randint(1, 3) :]])] = None
    return list(found)[:size]


def _sharing(queries: Sequence[str], size: int) -> list[str]:
    """So many titles that all hold two words, and each one of three more."""
    chance = random.Random(1)
    metals = ("steel", "brass", "copper")
    return [f"acme {chance.choice(metals)} widget {chance.choice(queries).split()[0]} {n}" for n in range(size)]


def _some_words(texts: Sequence[str], chance: random.Random) -> list[str]:
    """What one may type to find some of the texts: without the first word, shuffled, cut."""
    typed = []
    for text in chance.choices(texts, k=_WORDS):
        words = text.split()[chance.randint(0, 1) :] or text.split()
        if chance.random() < 0.3:
            chance.shuffle(words)
        whole = " ".join(words)
        typed.append(whole[: chance.randint(min(2, len(whole)), len(whole))])
    return typed


def _build(name: str, texts: Sequence[str]) -> QueryIndex:
    """An index of these queries, with counts by Zipf's law."""
    size = len(texts)
    folder = WORK / "index_scale" / f"{name}-{size}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    counts = np.ceil(size / 10 / (1 + np.random.default_rng(1).permutation(size))).astype(np.int64)
    parquet.write_table(pa.table({"query": sorted(texts), "count": counts}), folder.with_suffix(".parquet"))
    # in a process of its own, so that its memory is the build's alone
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seconds, peak_kb = pool.submit(_index, folder).result()
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    text_size = files["queries.blob.npy"]
    print(
        f"{size:,} {name}: {seconds:.1f} s, {peak_kb / 1e6:.2f} GB at most;"
        f" {(sum(files.values()) - text_size) / size:.1f} bytes each besides {text_size / size:.1f} of text",
        flush=True,
    )
    return QueryIndex(folder)


def _index(folder: Path) -> tuple[float, int]:
    """Seconds and the highest memory in kB of building."""
    start_s = time.perf_counter()
    index_queries(folder.with_suffix(".parquet"), folder)
    return time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _best_us(look_up: Callable[[str, int], object], typed: list[str], k: int) -> NDArray[np.float64]:
    """Microseconds of look-ups, p50, p99 and the slowest, of each text's best of some rounds."""
    best = np.full(len(typed), np.inf)
    for _ in range(_ROUNDS):
        for place, text in enumerate(typed):
            start_s = time.perf_counter()
            look_up(text, k)
            best[place] = min(best[place], time.perf_counter() - start_s)
    return np.asarray(np.percentile(best, [50, 99, 100]) * 1e6)


def _percentiles(times_us: NDArray[np.float64]) -> str:
    return "p50 {:.1f}, p99 {:.1f}, slowest {:.1f} us".format(*times_us)


if __name__ == "__main__":
    run(main, __doc__)
