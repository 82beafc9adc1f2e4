"""Queries that became known after a bundle was made: found as its own are, and changed while answers are given.

They are kept as an index and a lexicon like a bundle's (`lm.index.queries`, `lm.index.lexicon`), built anew with the
changes: nearly all in a large one, and what changed since in a small one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from lm.arrays import sorted_strings
from lm.index.lexicon import Lexicon, build_lexicon, count_words
from lm.index.queries import QueryIndex, WordMatch, save_query_index
from lm.index.shown import ShownForms
from lm.index.tags import MOST_LOOKED_AT, TagFilter
from lm.text.hangul import typed_prefixes

_LEAST_CHANGED, _CHANGED_SHARE = 2000, 8
"""The large index is built anew after so many changes, and after a change of one in so many of its queries."""
_FEW = 1000
"""So many are built anew with each change: that takes little longer, and nothing of what was removed is left."""
_MOST_PASSED = 4096
"""Queries of the large index that are looked at for those that have not changed."""


class LiveQuery(NamedTuple):
    """A query.

    Attributes:
        text: normalised.
        count: submissions, above 0, that come to those of the bundle.
        recent: those of late.
        display: the text as it is written; empty where it is the text.
        payload: what the catalogue holds for it, or "".
        entry: whether it is an entry of the catalogue; it takes the place of the bundle's with the same text.
        tags: of an entry.
    """

    text: str
    count: float  # type: ignore[assignment]  # hides a method of tuples
    recent: float = 0.0
    display: str = ""
    payload: str = ""
    entry: bool = False
    tags: frozenset[str] = frozenset()


class _Part(NamedTuple):
    """An index of some queries and its words."""

    index: QueryIndex  # type: ignore[assignment]  # hides a method of tuples
    lexicon: Lexicon


class _Gone:
    """Queries that do not count any more where an index has them."""

    def __init__(self, index: QueryIndex | None = None, texts: frozenset[str] = frozenset()) -> None:
        self.texts = texts
        ordered = sorted(texts, key=str.encode)
        counts_N = index.counts_at(index.positions(ordered)) if index else np.zeros(0)
        self._texts = sorted_strings([text.encode() for text in ordered])
        self._sums = np.concatenate([[0.0], np.cumsum(counts_N)])

    def total(self, prefix: str) -> float:
        """Their submissions, as the index has them, of those that begin so."""
        ranges = [self._texts.between(*each.bounds()) for each in typed_prefixes(prefix)] if self.texts else ()
        return sum(float(self._sums[high] - self._sums[low]) for low, high in ranges)


_NONE_GONE = _Gone()


class LiveQueries:
    """A set of queries, each text once; immutable, so threads may share it."""

    def __init__(
        self,
        queries: Mapping[str, LiveQuery] = MappingProxyType({}),
        parts: Sequence[tuple[_Part, _Gone]] = (),
        changed: frozenset[str] = frozenset(),
        factor: float = 1.0,
    ) -> None:
        """See `with_changes`; `parts` come with what does not count any more in each."""
        self._queries = queries
        self._parts = parts
        self._changed = changed
        self._factor = factor

    def __len__(self) -> int:
        return len(self._queries)

    def get(self, text: str) -> LiveQuery | None:
        """The query with this normalised text."""
        query = self._queries.get(text)
        return query if query is None or self._factor == 1 else query._replace(count=query.count * self._factor)

    def among(self, texts: Sequence[str]) -> list[tuple[int, LiveQuery]]:
        """Which of some normalised texts are there: the place of each, and the query."""
        get = self._queries.get
        found = [(place, query) for place, text in enumerate(texts) if (query := get(text)) is not None]
        if self._factor == 1:
            return found
        return [(place, query._replace(count=query.count * self._factor)) for place, query in found]

    def scaled(self, factor: float) -> LiveQueries:
        """The same with all counts multiplied. It is to be looked at, not changed."""
        return LiveQueries(self._queries, self._parts, self._changed, factor)

    def with_changes(self, changes: Mapping[str, LiveQuery | None]) -> LiveQueries:
        """It with some queries by their texts, None for what is removed. To be called with many changes at once."""
        queries = dict(self._queries)
        for text, query in changes.items():
            if query is None:
                queries.pop(text, None)
            else:
                queries[text] = query
        changed = self._changed.union(changes)
        many = len(changed) > max(_LEAST_CHANGED, len(queries) // _CHANGED_SHARE)
        if many or not self._parts or len(queries) <= _FEW:
            return LiveQueries(queries, [(_part(queries.values()), _NONE_GONE)] if queries else ())
        large, _ = self._parts[0]
        new = [queries[text] for text in changed if text in queries]
        small = [(_part(new), _NONE_GONE)] if new else []
        return LiveQueries(queries, [(large, _Gone(large.index, changed)), *small], changed)

    def completions(
        self, prefix: str, k: int, wanted: TagFilter | None = None
    ) -> tuple[list[tuple[str, float]], float]:
        """The heaviest k queries that begin with a normalised prefix, and the submissions of all, as the index has it.

        Args:
            wanted: only those with such tags, of the heaviest `MOST_LOOKED_AT`.
        """
        found, total = list[tuple[str, float]](), 0.0
        for part, gone in self._parts:
            for looked_at in _looked_at(k, gone, wanted):
                some, of_all = part.index.completions(prefix, looked_at)
                kept = [(text, count * self._factor) for text, count in some if self._is_wanted(text, gone, wanted)]
                if len(kept) >= k or len(some) < looked_at:
                    break
            found += kept
            total += max(of_all - gone.total(prefix), 0.0) * self._factor
        return sorted(found, key=lambda each: -each[1])[:k], total

    def word_matches(self, typed: str, k: int, wanted: TagFilter | None = None) -> list[WordMatch]:
        """See `QueryIndex.word_matches`."""
        found = list[WordMatch]()
        for part, gone in self._parts:
            for looked_at in _looked_at(k, gone, wanted):
                some = part.index.word_matches(typed, looked_at)
                kept = [match for match in some if self._is_wanted(match.text, gone, wanted)]
                if len(kept) >= k or len(some) < looked_at:
                    break
            found += [match._replace(count=match.count * self._factor) for match in kept]
        return sorted(found, key=lambda match: -match.count)[:k]

    def _is_wanted(self, text: str, gone: _Gone, wanted: TagFilter | None) -> bool:
        if text in gone.texts:
            return False
        return wanted is None or ((query := self._queries.get(text)) is not None and wanted.admits(query.tags))

    @property
    def lexicons(self) -> list[Lexicon]:
        """Their words; those of queries that were removed lately may still be among them."""
        return [part.lexicon for part, _ in self._parts]


def _looked_at(k: int, gone: _Gone, wanted: TagFilter | None) -> Iterator[int]:
    """How many queries are looked at for k that count; more where those did not suffice."""
    most = MOST_LOOKED_AT if wanted is not None else min(k + len(gone.texts), max(2 * k, _MOST_PASSED))
    size = most if wanted is not None else min(2 * k, most)
    while size < most:
        yield size
        size = min(8 * size, most)
    yield most


def _part(queries: Iterable[LiveQuery]) -> _Part:
    ordered = sorted(queries, key=lambda query: query.text.encode())
    nothing = sorted_strings([])
    forms = ShownForms(np.zeros(0, np.uint32), nothing, nothing, np.zeros(0), np.zeros(0, bool))
    with tempfile.TemporaryDirectory(prefix="autocomplete-live-") as name:  # what is mapped stays there
        folder, words = Path(name), Path(name) / "words"
        words.mkdir()
        counts_N = np.array([query.count for query in ordered], np.float64)
        save_query_index(folder, sorted_strings([query.text.encode() for query in ordered]), counts_N, forms)
        build_lexicon(words, count_words((query.text, query.count) for query in ordered))
        return _Part(QueryIndex(folder), Lexicon(words))
