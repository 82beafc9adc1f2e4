"""How queries of the index are shown: as they are written, and with what a catalogue holds for them.

A query of the log has one form. Entries of a catalogue that are written alike are one query of the index, but stay
several things: each is a form of it, with a payload of its own.

A form takes 13 bytes besides its texts, and 8 more where any query has several.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, open_strings, save_array, save_strings
from lm.index.tags import MOST_LOOKED_AT, TagFilter, Tags
from lm.kernels.strings import SortedStrings

MOST_FORMS = 32
"""The heaviest forms of a query that a look-up gives: more than an answer lists."""


class Shown(NamedTuple):
    """A form of a query.

    Attributes:
        display: the text as it is written.
        payload: what the catalogue holds for it, or "".
        share: its share of the query's count.
        entry: whether it is an entry of a catalogue.
    """

    display: str
    payload: str
    share: float
    entry: bool = False


class ShownForms:
    """The forms of those queries of an index that are not shown just as they are.

    Args:
        positions: the query of each form, uint32 ascending (n,); the forms of one query are together, heaviest first.
        displays: the text of each, as many strings; empty where it is the query itself.
        payloads: as many strings; empty where there is none.
        shares: of the query's count, float64 (n,); (0,) where every query has one form.
        entries: whether the query is an entry of a catalogue, bool (n,).

    Attributes:
        entry_count: queries that are entries.
    """

    def __init__(
        self,
        positions: NDArray[np.uint32],
        displays: SortedStrings,
        payloads: SortedStrings,
        shares: NDArray[np.float64],
        entries: NDArray[np.bool_],
    ) -> None:
        self._positions, self._displays, self._payloads = positions, displays, payloads
        self._shares, self._entries = shares, entries
        repeated = np.count_nonzero(entries[1:] & (positions[1:] == positions[:-1])) if len(shares) else 0
        self.entry_count = int(np.count_nonzero(entries) - repeated)

    @classmethod
    def open(cls, folder: Path) -> ShownForms:
        """Maps what `save` wrote; raises `BundleDamagedError` if a file is not what it should be."""
        return cls(
            open_array(folder / "shown.positions.npy", np.uint32),
            open_strings(folder, "displays"),
            open_strings(folder, "payloads"),
            open_array(folder / "shown.shares.npy", np.float64),
            open_array(folder / "shown.entries.npy", np.bool_),
        )

    def save(self, folder: Path) -> None:
        """Writes the arrays and the strings."""
        save_array(folder / "shown.positions.npy", self._positions)
        save_strings(folder, "displays", self._displays)
        save_strings(folder, "payloads", self._payloads)
        save_array(folder / "shown.shares.npy", self._shares)
        save_array(folder / "shown.entries.npy", self._entries)

    @property
    def positions(self) -> NDArray[np.uint32]:
        """The query of each form, ascending (n,)."""
        return self._positions

    def carry(self, positions_N: NDArray[np.int64], tags: Tags, wanted: TagFilter) -> NDArray[np.bool_]:
        """Whether the queries at these positions have a form with wanted tags, bool (N,)."""
        owners, _ = self._wanted(positions_N, tags, wanted)
        carry_N = np.zeros(len(positions_N), bool)
        carry_N[owners] = True
        return carry_N

    def wanted(
        self, queries: Sequence[str], positions_N: NDArray[np.int64], tags: Tags, wanted: TagFilter
    ) -> list[tuple[Shown, ...]]:
        """As `of`, but only forms with wanted tags; none of a query that has no such form."""
        forms: list[list[Shown]] = [[] for _ in queries]
        for owner, row in zip(*self._wanted(positions_N, tags, wanted), strict=True):
            if len(forms[owner]) < MOST_FORMS:
                forms[owner].append(self._form(queries[owner], row))
        return [tuple(each) for each in forms]

    def _wanted(self, positions_N: NDArray[np.int64], tags: Tags, wanted: TagFilter) -> tuple[list[int], list[int]]:
        """The forms with wanted tags, by the place of their query among these positions and by their row."""
        low_N, high_N = self._between(positions_N)
        sizes_N = np.minimum(high_N - low_N, MOST_LOOKED_AT)
        owners = np.repeat(np.arange(len(positions_N)), sizes_N)
        rows = np.arange(len(owners)) + np.repeat(low_N - np.cumsum(sizes_N) + sizes_N, sizes_N)
        there = tags.carry(wanted, rows.astype(np.uint32))
        return owners[there].tolist(), rows[there].tolist()

    def of(self, queries: Sequence[str], positions_N: NDArray[np.int64]) -> list[tuple[Shown, ...]]:
        """The forms of some queries at these positions, -1 for one that is not in the index: the heaviest first.

        A query without forms is shown as it is.
        """
        low_N, high_N = self._between(positions_N)
        rows = zip(queries, low_N.tolist(), high_N.tolist(), strict=True)
        return [
            tuple(self._form(query, row) for row in range(low, min(high, low + MOST_FORMS)))
            if low < high
            else (Shown(query, "", 1.0),)
            for query, low, high in rows
        ]

    def are_entries(self, positions_N: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the queries at these positions are entries of a catalogue, bool (N,); False for -1."""
        low_N, high_N = self._between(positions_N)
        there_N = low_N < high_N
        there_N[there_N] = self._entries[low_N[there_N]]
        return there_N

    def _between(self, positions_N: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first form of each query, and the one after its last."""
        wanted_N = positions_N.astype(np.uint32)  # of the same type, or numpy copies all positions; -1 is none of them
        return self._positions.searchsorted(wanted_N, "left"), self._positions.searchsorted(wanted_N, "right")

    def _form(self, query: str, row: int) -> Shown:
        share = float(self._shares[row]) if len(self._shares) else 1.0
        return Shown(
            self._displays[row].decode() or query, self._payloads[row].decode(), share, bool(self._entries[row])
        )
