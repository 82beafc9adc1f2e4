"""The query index: queries in byte order with their counts; the most popular completions of any prefix, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lm.arrays import open_array, save_array
from lm.hangul import typed_prefixes
from lm.kernels.ranges import RangeMaxima, block_maxima
from lm.vocabulary import open_strings, save_strings, sorted_strings


class QueryIndex:
    """An open index of normalised queries."""

    def __init__(self, folder: Path) -> None:
        """Maps what `build_query_index` wrote.

        Raises:
            BundleDamagedError: a file is missing or not what it should be.
        """
        self._queries = open_strings(folder, "queries")
        self._counts = open_array(folder / "counts.npy", np.float32)
        self._totals = open_array(folder / "totals.npy", np.float64)
        self._maxima = RangeMaxima(self._counts, open_array(folder / "maxima.npy", np.float32))

    def __len__(self) -> int:
        return len(self._queries)

    def completions(self, typed: str, k: int) -> tuple[list[tuple[str, float]], float]:
        """The k most popular queries that begin with what was typed, and the count of all that do.

        Equally popular ones come in byte order. Hangul in the making begins in several ways, see `lm.hangul`.
        """
        ranges = [self._queries.between(*prefix.bounds()) for prefix in typed_prefixes(typed)]
        heaviest = [position for low, high in ranges for position in self._maxima.heaviest(low, high, k)]
        if len(ranges) > 1:
            heaviest = sorted(heaviest, key=lambda position: (-self._counts[position], position))[:k]
        found = [(self._queries[position].decode(), float(self._counts[position])) for position in heaviest]
        return found, float(sum(self._totals[high] - self._totals[low] for low, high in ranges))

    def count(self, query: str) -> float:
        """How often the query was submitted; 0 if it is not in the index."""
        position = self._queries.find(query.encode())
        return float(self._counts[position]) if position >= 0 else 0.0


def build_query_index(folder: Path, queries: Iterable[tuple[str, float]]) -> int:
    """Writes an index of distinct normalised queries with their counts; returns how many there are."""
    rows = sorted((query.encode(), count) for query, count in queries)
    counts = np.fromiter((count for _, count in rows), np.float32, len(rows))
    save_strings(folder, "queries", sorted_strings([query for query, _ in rows]))
    save_array(folder / "counts.npy", counts)
    save_array(folder / "totals.npy", np.concatenate(([0.0], np.cumsum(counts, dtype=np.float64))))
    save_array(folder / "maxima.npy", block_maxima(counts))
    return len(rows)
