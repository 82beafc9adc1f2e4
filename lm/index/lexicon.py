"""The words of the query log with their counts, as a trie in which misspelt ones are looked up.

Nodes are numbered level by level, those of one level in the order of their spelling, the root first:

    characters  uint32   code point that leads to the node; of the root 0
    children    uint32   (N + 1,) where the node's children begin
    counts      float32  of the word that ends there, 0 if none does
    masses      float32  of all words that go through it
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array, save_array
from lm.errors import BundleDamagedError
from lm.index.trie import build_trie
from lm.kernels.fuzzy import FuzzyTrie
from lm.memo import Memo
from lm.text.folding import near_words
from lm.text.typing_errors import MAX_EDITS, TypingErrors, kinship

MAX_WORD_LENGTH = 32
"""Longer words are not kept, and not looked for: code points."""
_SEARCH_BYTES = 4 << 20
_TYPES: dict[str, type[np.generic]] = {
    "characters": np.uint32,
    "children": np.uint32,
    "counts": np.float32,
    "masses": np.float32,
}


@dataclass(frozen=True, slots=True)
class Spelling:
    """What may have been meant by a typed word.

    Attributes:
        score: natural log of the count of the word, or of all words that begin so, less `cost`.
        cost: negative natural log of the probability of the errors.
        edits: how many they are.
    """

    text: str
    score: float
    cost: float
    edits: int


class Lexicon:
    """An open lexicon; safe to share between threads.

    Attributes:
        errors: what typing errors cost.
        total: count of all words.
    """

    def __init__(self, folder: Path) -> None:
        """Maps what `build_lexicon` wrote; raises `BundleDamagedError` if a file is not what it should be."""
        arrays: dict[str, NDArray[Any]] = {
            name: open_array(folder / f"{name}.npy", kind) for name, kind in _TYPES.items()
        }
        size = len(arrays["characters"])
        if not size or [len(arrays[name]) for name in _TYPES] != [size, size + 1, size, size]:
            raise BundleDamagedError(folder, "the arrays of the lexicon do not belong together")
        self.errors = TypingErrors()
        self.total = float(arrays["masses"][0])
        self._counted = threading.local()
        self._trie = FuzzyTrie(**arrays, kinship=kinship(), costs=asdict(self.errors))
        # a misspelt word stays so while the next ones are typed
        self._searched: Memo[tuple[str, bool, int, int, float], tuple[Spelling, ...]] = Memo(_SEARCH_BYTES, deep=True)

    @property
    def searches(self) -> int:
        """Searches by this thread so far. A word that was looked up lately takes none."""
        return getattr(self._counted, "searches", 0)

    def count(self, word: str) -> float:
        """How often the word stands in queries."""
        return self._trie.find(word)[0]

    def mass(self, beginning: str) -> float:
        """How often words that begin so stand in queries."""
        return self._trie.find(beginning)[1]

    def spellings(
        self, typed: str, *, unfinished: bool, k: int, max_edits: int = MAX_EDITS, floor: float = -math.inf
    ) -> list[Spelling]:
        """The k best corrections of a typed word, best first; without the typed one.

        Args:
            unfinished: correct it to beginnings of words, not to whole ones.
            floor: the least score that counts.
        """
        if not 0 < len(typed) <= MAX_WORD_LENGTH:
            return []
        return list(self._searched.result((typed, unfinished, k, max_edits, floor), self._search))

    def _search(self, asked: tuple[str, bool, int, int, float]) -> tuple[Spelling, ...]:
        self._counted.searches = self.searches + 1
        matches, _ = self._trie.search(*asked)
        return tuple(Spelling(*row) for row in matches)


class Lexicons:
    """Several lexicons as one; a word's counts add up. The first one's typing errors hold."""

    def __init__(self, lexicons: Sequence[Lexicon]) -> None:
        self._lexicons = lexicons
        self.errors = lexicons[0].errors
        self.total = sum(lexicon.total for lexicon in lexicons)

    @property
    def searches(self) -> int:
        """See `Lexicon.searches`."""
        return sum(lexicon.searches for lexicon in self._lexicons)

    def count(self, word: str) -> float:
        """See `Lexicon.count`."""
        return sum(lexicon.count(word) for lexicon in self._lexicons)

    def mass(self, beginning: str) -> float:
        """See `Lexicon.mass`."""
        return sum(lexicon.mass(beginning) for lexicon in self._lexicons)

    def spellings(
        self, typed: str, *, unfinished: bool, k: int, max_edits: int = MAX_EDITS, floor: float = -math.inf
    ) -> list[Spelling]:
        """See `Lexicon.spellings`."""
        found = dict[str, Spelling]()
        for lexicon in self._lexicons:
            for each in lexicon.spellings(typed, unfinished=unfinished, k=k, max_edits=max_edits, floor=floor):
                count = self.mass(each.text) if unfinished else self.count(each.text)
                found[each.text] = replace(each, score=math.log(count) - each.cost)
        return sorted(found.values(), key=lambda each: -each.score)[:k]


def count_words(queries: Iterable[tuple[str, float]]) -> dict[str, float]:
    """How often each word stands in queries that were counted; words are what spaces part.

    A word with accents counts for its plain form too, so that an error in what was typed plainly can be mended.
    """
    counts: defaultdict[str, float] = defaultdict(float)
    for query, count in queries:
        for word in query.split(" "):
            if 0 < len(word) <= MAX_WORD_LENGTH:
                counts[word] += count
                if not word.isascii() and len(forms := near_words(word)) == 1 and forms[0].forms[0] != word:
                    counts[forms[0].forms[0]] += count
    return counts


def build_lexicon(folder: Path, words: dict[str, float]) -> None:
    """Writes a lexicon of words with counts above 0."""
    spelt = sorted(words)
    counts_W = np.fromiter((words[word] for word in spelt), np.float64, len(spelt))
    lengths_W = np.fromiter(map(len, spelt), np.int64, len(spelt))
    letters_WL = np.array(spelt, f"U{MAX_WORD_LENGTH}").view(np.uint32).reshape(len(spelt), MAX_WORD_LENGTH)
    trie = build_trie(letters_WL, lengths_W)
    counts = np.zeros(len(trie.keys), np.float32)
    counts[trie.places] = counts_W
    arrays = (trie.keys, trie.children, counts, trie.sums(counts_W).astype(np.float32))
    for name, array in zip(_TYPES, arrays, strict=True):
        save_array(folder / f"{name}.npy", array)
