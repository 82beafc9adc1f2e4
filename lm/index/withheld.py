"""Queries that a bundle must never suggest, as hashes: a model may put together a query that the log's screening
or thresholds kept out.

What the hashes protect: nobody reads the queries out of the bundle. What they do not: whoever has the bundle can
hash a query and look whether it was withheld, so everything short enough to be guessed by trying all (a telephone
number takes seconds) lies open. So what `lm.text.private.looks_private` tells by its looks, which is never generated
anyway, does not belong in here. A secret key would not help: it would have to be in the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, save_array
from lm.errors import BundleDamagedError

_FILE = "hashes.npy"
_PERSON = b"withheld query"  # such a hash is not that of the same text elsewhere


def hash_query(query: str) -> int:
    """BLAKE2b of a normalised query (no space at its end) in 8 bytes, big-endian: 0 to 2^64 - 1."""
    return int.from_bytes(blake2b(query.encode(), digest_size=8, person=_PERSON).digest(), "big")


class Withheld:
    """A set of queries, known by their hashes alone. One in 2^64 / N others is taken for one of N."""

    def __init__(self, folder: Path) -> None:
        """Maps what `build_withheld` wrote; a folder without it withholds nothing.

        Raises:
            BundleDamagedError: the file is not what it should be.
        """
        path = folder / _FILE
        self._hashes: NDArray[np.uint64] = open_array(path, np.uint64) if path.exists() else np.empty(0, np.uint64)
        if self._hashes.ndim != 1:
            raise BundleDamagedError(path, f"has {self._hashes.ndim} dimensions, not 1")

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, query: str) -> bool:
        return bool(self.among([query])[0])

    def among(self, queries: Sequence[str]) -> NDArray[np.bool_]:
        """Which of some normalised queries are withheld, (N,)."""
        if not len(self._hashes):
            return np.zeros(len(queries), np.bool_)
        hashes_N = np.fromiter(map(hash_query, queries), np.uint64, len(queries))
        places_N = np.searchsorted(self._hashes, hashes_N)
        return np.asarray(self._hashes[np.minimum(places_N, len(self._hashes) - 1)] == hashes_N)


def build_withheld(folder: Path, hashes: Iterable[int] | NDArray[np.uint64]) -> int:
    """Writes hashes of `hash_query`, in any order and repeated or not; returns how many distinct ones there are."""
    given = hashes if isinstance(hashes, np.ndarray) else np.fromiter(hashes, np.uint64)
    distinct = np.unique(given.astype(np.uint64, copy=False))
    save_array(folder / _FILE, distinct)
    return len(distinct)
