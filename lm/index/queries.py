"""The query index: queries in byte order with their counts; the most popular completions of any prefix, exactly.

The order by weight is exact for float64: two weights that differ by 1 below 2^53 never change places. Counts as such
are float32. A query takes 21 bytes besides its text, 2 more where the log has times, and about 5 for each of its words
(see `lm.index.words`). How it is shown is in `lm.index.shown`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, open_strings, save_array, save_strings
from lm.errors import BundleDamagedError
from lm.index.shown import Shown, ShownForms
from lm.index.tags import TagFilter, TagLists, Tags, save_tags
from lm.index.words import WordIndex, save_words
from lm.kernels.ranges import RangeMaxima, RangeSums, block_maxima, block_sums
from lm.kernels.strings import SortedStrings, string_heads
from lm.kernels.word_search import LOWEST_KEY
from lm.text.hangul import typed_prefixes

MOST_MATCHES = 1024
"""Queries that hold the typed words and are looked at for those with wanted tags."""
_RECENCY_FILE = "recency.npy"


class WordMatch(NamedTuple):
    """A query that holds what was typed, in any order.

    Attributes:
        from_left: the typed words, but for stop words that it lacks, are its first words, in order.
        in_order: they stand in it in their order.
        left_over: words of it that none of the typed ones stands for.
        regrouped: typed words were joined or split, or stand for a run without spaces that was written with marks.
        missing: typed stop words that it lacks.
    """

    text: str
    count: float  # type: ignore[assignment]  # hides a method of tuples
    from_left: bool
    in_order: bool
    left_over: int
    regrouped: bool
    missing: int


class QueryIndex:
    """An open index of normalised queries.

    Attributes:
        total: submissions of all of them.
    """

    def __init__(self, folder: Path) -> None:
        """Maps what `save_query_index` wrote; raises `BundleDamagedError` if a file is not what it should be."""
        try:
            strings = open_strings(folder, "queries")
            heads = open_array(folder / "queries.heads.npy", np.uint64)
            self._queries = SortedStrings(strings.blob, strings.offsets, heads)
            self._counts = open_array(folder / "counts.npy", np.float32)
            self._sums = RangeSums(self._counts, open_array(folder / "sums.npy", np.float64))
            self._keys = open_array(folder / "keys.npy", np.uint32)
            self._maxima = RangeMaxima(self._keys.view(np.float32), open_array(folder / "maxima.npy", np.float32))
            self._by_rank = open_array(folder / "by_rank.npy", np.uint32)
            self._words = WordIndex(folder)
            self.total = self._sums.between(0, len(self._counts))
            self._shown = ShownForms.open(folder)
            self._tags = Tags.open(folder, self._keys)
            recency = folder / _RECENCY_FILE
            self._recency = open_array(recency, np.float16) if recency.is_file() else None
        except (ValueError, IndexError) as error:  # files that do not belong together
            raise BundleDamagedError(folder, str(error)) from None
        if len(self._words) != len(self):
            raise BundleDamagedError(folder, f"has words of {len(self._words):,} queries, not {len(self):,}")

    def __len__(self) -> int:
        return len(self._queries)

    def completions(self, typed: str, k: int, wanted: TagFilter | None = None) -> tuple[list[tuple[str, float]], float]:
        """The k most popular queries that begin with what was typed, and the count of all that do.

        Equally popular ones come in byte order. Hangul in the making begins in several ways, see `lm.text.hangul`.

        Args:
            wanted: only queries with such tags; the count is of all.
        """
        ranges = [self._queries.between(*prefix.bounds()) for prefix in typed_prefixes(typed)]
        heaviest = [position for low, high in ranges for position in self._heaviest(low, high, k, wanted)]
        if len(ranges) > 1:
            heaviest = sorted(heaviest, key=lambda position: -int(self._keys[position]))[:k]
        found = [(self._queries[position].decode(), float(self._counts[position])) for position in heaviest]
        return found, sum(self._sums.between(low, high) for low, high in ranges)

    def _heaviest(self, low: int, high: int, k: int, wanted: TagFilter | None) -> list[int]:
        if wanted is None:
            return list(self._maxima.heaviest(low, high, k))
        return [] if self._tags is None else self._tags.heaviest(wanted, low, high, k)

    def word_matches(self, typed: str, k: int, wanted: TagFilter | None = None) -> list[WordMatch]:
        """The k most popular queries that hold the typed words, the last one as a beginning unless a space follows.

        Heaviest first; those that begin with what was typed are among them. They may lack a stop word only if none
        holds every typed word. A look-up has a bound on its work, see `lm.index.words.MOST_STEPS`: where very many
        queries hold some of the words but hardly one all of them, the list is short.

        Args:
            typed: normalised.
            wanted: only queries with such tags. They are looked for among the heaviest `MOST_MATCHES`.
        """
        if wanted is not None and self._tags is None:
            return []
        found, _ = self._words.find(typed, k if wanted is None else MOST_MATCHES)
        positions_N = self._by_rank[[each.rank for each in found]] if found else np.zeros(0, np.uint32)
        if wanted is not None and self._tags is not None:
            rows = self._shown.carry(positions_N.astype(np.int64), self._tags, wanted).nonzero()[0][:k]
            found, positions_N = [found[row] for row in rows.tolist()], positions_N[rows]
        return [
            WordMatch(self._queries[position].decode(), float(self._counts[position]), *each[1:])
            for position, each in zip(positions_N.tolist(), found, strict=True)
        ]

    def count(self, query: str) -> float:
        """How often the query was submitted; 0 if it is not in the index."""
        position = self._queries.find(query.encode())
        return float(self._counts[position]) if position >= 0 else 0.0

    def positions(self, queries: Sequence[str]) -> NDArray[np.int64]:
        """Where some queries are, int64 (N,); -1 for one that is not in the index."""
        return self._queries.find_all(queries)

    def is_entry(self, query: str) -> bool:
        """Whether the query is an entry of the catalogue."""
        return bool(self.entry_count) and bool(self.entries_at(self.positions([query]))[0])

    def order_at(self, positions_N: NDArray[np.int64]) -> NDArray[np.float64]:
        """Numbers that grow with the weights of the queries at some positions, exactly, float64 (N,); 0 for -1."""
        return np.where(positions_N >= 0, self._keys[positions_N], 0).astype(np.float64)

    def counts_at(self, positions_N: NDArray[np.int64]) -> NDArray[np.float64]:
        """How often the queries at some positions were submitted, float64 (N,); 0 for -1."""
        return np.where(positions_N >= 0, self._counts[positions_N], 0.0).astype(np.float64)

    def recency_at(self, positions_N: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Natural logs of one more than what was lately submitted of each, float64 (N,); None if no times are known.

        0 for -1. Half precision: three significant digits.
        """
        if self._recency is None:
            return None
        return np.where(positions_N >= 0, self._recency[positions_N], 0.0).astype(np.float64)

    @property
    def entry_count(self) -> int:
        """How many of the queries are entries of a catalogue."""
        return self._shown.entry_count

    def entries_at(self, positions_N: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the queries at some positions are entries of a catalogue, bool (N,); False for -1."""
        return self._shown.are_entries(positions_N)

    def shown(self, queries: Sequence[str], wanted: TagFilter | None = None) -> list[tuple[Shown, ...]]:
        """The forms in which each query is shown, the heaviest first, at least one; see `lm.index.shown`.

        Args:
            wanted: only forms with such tags, which may be none.
        """
        positions_N = self.positions(queries)
        if wanted is None:
            return self._shown.of(queries, positions_N)
        if self._tags is None:
            return [()] * len(queries)
        return self._shown.wanted(queries, positions_N, self._tags, wanted)


def save_query_index(
    folder: Path,
    queries: SortedStrings,
    weights: NDArray[np.float64],
    shown: ShownForms,
    recent: NDArray[np.float64] | None = None,
    tags: TagLists | None = None,
) -> int:
    """Writes an index of distinct normalised queries in byte order; returns how many there are.

    Args:
        weights: submissions of each, (N,).
        recent: those of late, halved with each of a short half-life of their age; None without times.
        tags: of the forms; None if there are none.
    """
    # the least weights stay above 0, which is the count of what is not in the index
    counts = np.maximum(weights.astype(np.float32), np.finfo(np.float32).tiny)
    by_rank = np.argsort(-weights, kind="stable").astype(np.uint32)
    keys = np.empty(len(weights), np.uint32)
    keys[by_rank] = np.arange(LOWEST_KEY + len(weights) - 1, LOWEST_KEY - 1, -1, dtype=np.uint32)
    save_strings(folder, "queries", queries)
    save_array(folder / "queries.heads.npy", string_heads(queries))
    save_array(folder / "counts.npy", counts)
    save_array(folder / "sums.npy", block_sums(counts))
    save_array(folder / "keys.npy", keys)
    save_array(folder / "maxima.npy", block_maxima(keys.view(np.float32)))
    save_array(folder / "by_rank.npy", by_rank)
    save_words(folder, queries, by_rank)
    shown.save(folder)
    if tags is not None:
        save_tags(folder, tags, shown.positions, keys)
    if recent is not None:
        save_array(folder / _RECENCY_FILE, np.log1p(recent).astype(np.float16))
    return len(queries)
