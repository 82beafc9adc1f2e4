"""What a bundle never generates: blocked words, what looks private, and queries withheld from the log.

A model may put together a query that the log's screening or thresholds kept out. Withheld queries lie in the bundle as
hashes, so nobody reads them out of it. Whoever has the bundle can hash a query and look whether it was withheld. So
everything short enough to be guessed by trying all (a telephone number takes seconds) lies open, and what
`lm.text.private.looks_private` tells by its looks does not belong in here: it is never generated anyway. A secret key
would not help, because it would have to be in the bundle.

Blocked words lie there as plain text: whoever runs the server shall see what it leaves out, and a hash would hide no
word that stands in a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, save_array
from lm.errors import BundleDamagedError
from lm.index.blocked_words import BlockedWords, open_blocked_words
from lm.memo import Memo
from lm.text.normalize import normalize_query
from lm.text.private import looks_private

NEVER_GENERATED_FOLDER = "denied"  # part of the bundle format
_HASHES_FILE = "hashes.npy"
_PERSON = b"withheld query"  # such a hash is not that of the same text elsewhere
_QUERY_BYTES, _CONTINUATION_BYTES = 8 << 20, 4 << 20
"""For remembering verdicts on queries and on continuations."""
_PRIVATE = 80
"""Code points before a text in which what looks private may begin."""


def hash_query(query: str) -> int:
    """BLAKE2b of a normalised query (no space at its end) in 8 bytes, big-endian: 0 to 2^64 - 1."""
    return int.from_bytes(blake2b(query.encode(), digest_size=8, person=_PERSON).digest(), "big")


class Withheld:
    """A set of queries, known by their hashes alone. One in 2^64 / N others is taken for one of N."""

    def __init__(self, folder: Path | None = None) -> None:
        """Maps what `build_withheld` wrote; without it nothing is withheld."""
        self._hashes: NDArray[np.uint64] = np.empty(0, np.uint64)
        path = (folder or Path()) / _HASHES_FILE
        if folder is not None and path.exists():
            self._hashes = open_array(path, np.uint64)
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
    save_array(folder / _HASHES_FILE, distinct)
    return len(distinct)


class NeverGenerated:
    """Judges what models put together; the queries of the index were judged in training."""

    def __init__(self, blocked: BlockedWords | None = None, withheld: Withheld | None = None) -> None:
        self._blocked = blocked or BlockedWords()
        self._withheld = withheld or Withheld()
        self._verdicts: Memo[str, bool] = Memo(_QUERY_BYTES)
        self._continuations: Memo[tuple[str, str], bool] = Memo(_CONTINUATION_BYTES, deep=True)

    def includes(self, queries: Sequence[str]) -> NDArray[np.bool_]:
        """Which of some queries must not be suggested, as they are when normalised, (N,)."""
        return np.array(self._verdicts.results(queries, self._judge), np.bool_)

    def forbids(self, before: str, text: str) -> bool:
        """Whether normalised text must not follow other text, whatever that one holds.

        Args:
            before: with the space at its end, if there is one.
        """
        return self._continuations.result((before, text), self._judge_continuation)

    def silences(self, finished: str) -> bool:
        """Whether nothing is to be made up behind finished words, normalised: they hold delicate or blocked ones."""
        return self._blocked.block_generated(finished)

    def screens(self, query: str) -> bool:
        """Whether a normalised query is kept out of an index by what it holds; training screens no more strictly."""
        return self._blocked.block(query) or looks_private(query)

    def withholds(self, query: str) -> bool:
        """Whether a normalised query is one that the log kept back."""
        return query in self._withheld

    def _judge_continuation(self, asked: tuple[str, str]) -> bool:
        before, text = asked
        if self._blocked.block_after(before, text):
            return True
        return looks_private(text) or looks_private(_inconspicuous_end(before) + text)

    def _judge(self, texts: Sequence[str]) -> list[bool]:
        queries = [normalize_query(text).rstrip() for text in texts]
        judged = [self._blocked.block_generated(query) or looks_private(query) for query in queries]
        return [never or kept for never, kept in zip(judged, self._withheld.among(queries).tolist(), strict=True)]


@lru_cache(64)  # a list of words is judged behind one text
def _inconspicuous_end(text: str) -> str:
    """As many of the last words as do not look private by themselves: only with what follows they may."""
    end = text[-_PRIVATE:]
    while looks_private(end):
        end = end.partition(" ")[2]
    return end


def open_never_generated(folder: Path) -> NeverGenerated:
    """Opens a bundle's folder of what is never generated; where there is none, that is only what looks private.

    Raises:
        BundleDamagedError: a file in it is not what it should be.
    """
    return NeverGenerated(open_blocked_words(folder), Withheld(folder))
