"""Tags of a catalogue's entries, and the heaviest entries of a range that carry some.

Each tag has a list of the forms that carry it (see `lm.index.shown`), in the order of the index, so that what begins as
typed is one range of the list. One tree of maxima stands over all lists: the heaviest of one tag are found as those of
the whole index are, however rare the tag. A form takes 8 bytes for each of its tags.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, open_strings, save_array, save_strings, sorted_strings
from lm.kernels.ranges import RangeMaxima, block_maxima

MOST_LOOKED_AT = 1024
"""Entries of one tag that are looked at for those that carry others too."""


class TagFilter(NamedTuple):
    """Which entries are wanted.

    Attributes:
        all_of: tags that an entry must carry, in order, each once.
        any_of: tags of which it must carry one; empty: it need not.
    """

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()

    def admits(self, tags: Collection[str]) -> bool:
        """Whether an entry with these tags is wanted."""
        return all(tag in tags for tag in self.all_of) and (not self.any_of or any(tag in tags for tag in self.any_of))


class TagLists(NamedTuple):
    """What an index is saved with.

    Attributes:
        names: of the tags, in byte order.
        starts: where the list of each begins, and where the last one ends, int64 (T + 1,).
        rows: of the forms that carry each, ascending in a list, uint32 (n,).
    """

    names: Sequence[str]
    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]


class Tags:
    """The tags of an open index.

    Args:
        folder: what `save_tags` wrote.
        keys: the weights of the queries, uint32 (N,), see `lm.index.queries`.
    """

    def __init__(self, folder: Path, keys: NDArray[np.uint32]) -> None:
        self._names = open_strings(folder, "tags")
        self._starts = open_array(folder / "tags.starts.npy", np.int64)
        self._rows = open_array(folder / "tags.rows.npy", np.uint32)
        self._positions = open_array(folder / "tags.positions.npy", np.uint32)
        maxima = open_array(folder / "tags.maxima.npy", np.float32)
        self._keys = keys
        self._maxima = RangeMaxima(keys.view(np.float32), maxima, self._positions)
        sizes = {int(self._starts[-1]), len(self._rows), len(self._positions)}
        if len(self._starts) != len(self._names) + 1 or len(sizes) > 1:
            raise ValueError("the lists of tags do not belong together")

    @classmethod
    def open(cls, folder: Path, keys: NDArray[np.uint32]) -> Tags | None:
        """Those of an index; None if it was saved without."""
        return cls(folder, keys) if (folder / "tags.rows.npy").is_file() else None

    def heaviest(self, wanted: TagFilter, low: int, high: int, k: int) -> list[int]:
        """Positions of the k heaviest queries of a range with a form that is wanted, heaviest first.

        Of entries that must carry several tags at most `MOST_LOOKED_AT`, or twice k, of the rarest tag are looked at.
        """
        if not wanted.all_of:
            lists = [self._range(tag, low, high) for tag in wanted.any_of]
            return self._merged([self._of_list(*each, wanted, k) for each in lists], k)
        ranges = [self._range(tag, low, high) for tag in wanted.all_of]
        return self._of_list(*min(ranges, key=lambda each: each[1] - each[0]), wanted, k)

    def carry(self, wanted: TagFilter, rows_N: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Whether each form, by its row, is wanted, bool (N,)."""
        there_N = np.ones(len(rows_N), bool)
        for tag in wanted.all_of:
            there_N &= self._in_list(tag, rows_N)
        if wanted.any_of:
            there_N &= np.logical_or.reduce([self._in_list(tag, rows_N) for tag in wanted.any_of])
        return there_N

    def _of_list(self, low: int, high: int, wanted: TagFilter, k: int) -> list[int]:
        """As `heaviest`, of a range of the lists."""
        looked_at, most = 2 * k, max(2 * k, MOST_LOOKED_AT)
        while True:
            places = self._maxima.heaviest(low, high, looked_at)
            there = self.carry(wanted, self._rows[places])
            found = dict.fromkeys(self._positions[places][there].tolist())
            if len(found) >= k or len(places) < looked_at or looked_at == most:
                return list(found)[:k]
            looked_at = min(8 * looked_at, most)

    def _merged(self, lists: Sequence[Sequence[int]], k: int) -> list[int]:
        every = dict.fromkeys(position for each in lists for position in each)
        return heapq.nsmallest(k, every, key=lambda position: (-int(self._keys[position]), position))

    def _list(self, tag: str) -> tuple[int, int]:
        """Where the list of a tag begins and ends."""
        number = self._names.find(tag.encode())
        return (int(self._starts[number]), int(self._starts[number + 1])) if number >= 0 else (0, 0)

    def _range(self, tag: str, low: int, high: int) -> tuple[int, int]:
        start, end = self._list(tag)
        first, last = self._positions[start:end].searchsorted(np.array([low, high], np.uint32))
        return start + int(first), start + int(last)

    def _in_list(self, tag: str, rows_N: NDArray[np.uint32]) -> NDArray[np.bool_]:
        start, end = self._list(tag)
        if start == end:
            return np.zeros(len(rows_N), bool)
        rows = self._rows[start:end]
        found: NDArray[np.bool_] = rows[np.minimum(rows.searchsorted(rows_N), end - start - 1)] == rows_N
        return found


def save_tags(folder: Path, tags: TagLists, form_positions: NDArray[np.uint32], keys: NDArray[np.uint32]) -> None:
    """Writes the lists of an index.

    Args:
        form_positions: the query of each form.
        keys: the weight of each query.
    """
    positions = form_positions[tags.rows]
    save_strings(folder, "tags", sorted_strings([name.encode() for name in tags.names]))
    save_array(folder / "tags.starts.npy", tags.starts)
    save_array(folder / "tags.rows.npy", tags.rows)
    save_array(folder / "tags.positions.npy", positions)
    save_array(folder / "tags.maxima.npy", block_maxima(keys.view(np.float32)[positions]))
