"""What an answer knows beyond its bundle, as one value that is made as the answer begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lm.index.live_queries import LiveQueries, LiveQuery
from lm.index.queries import QueryIndex
from lm.index.shown import Shown
from lm.index.tags import TagFilter
from suggest.personal import User
from suggest.pins import Pins
from suggest.synonyms import Synonyms
from suggest.types import Blocked

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """See the module.

    Attributes:
        blocked: what must not be suggested at present; None if there is nothing.
        queries: those that became known since, such as the catalogue's new entries.
        pins, synonyms: None if there are none.
        user: what is known of the user; None if nothing.
    """

    blocked: Blocked | None = None
    queries: tuple[LiveQueries, ...] = ()
    pins: Pins | None = None
    synonyms: Synonyms | None = None
    user: User | None = None


NOTHING = Live()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of N queries.

    Attributes:
        known: whether any is known of each, bool (N,); models alone propose the others.
        counts: submissions, float64 (N,).
        live_counts: those of them that became known since the bundle was made, float64 (N,); None if there are none.
        weight_order: see `suggest.candidates.Candidates`, and `recency`.
    """

    known: NDArray[np.bool_]
    counts: Floats
    live_counts: Floats | None
    weight_order: Floats | None
    recency: Floats | None


class Known:
    """What is known of queries: by a bundle's index, and since.

    Args:
        index: None if the bundle has none.
        wanted: only forms with such tags are shown; None: all.
    """

    def __init__(
        self, index: QueryIndex | None, live: Sequence[LiveQueries] = (), wanted: TagFilter | None = None
    ) -> None:
        self._index = index
        self._live = live
        self._wanted = wanted

    def facts(self, texts: Sequence[str]) -> Facts:
        """What is known of some normalised queries."""
        index, size = self._index, len(texts)
        positions_N = index.positions(texts) if index else np.full(size, -1)
        known_N = positions_N >= 0
        counts_N = index.counts_at(positions_N) if index else np.zeros(size)
        recency_N = index.recency_at(positions_N) if index else None
        order_N = index.order_at(positions_N) if index else None
        live_N: Floats | None = None
        if self._live:
            live_N = np.zeros(size)
            recency_N = np.zeros(size) if recency_N is None else recency_N
            found = self._among(texts)
            entered = index.entries_at(positions_N).tolist() if found and index else [False] * size
            for row, query in found:
                known_N[row] = True
                live_N[row] += query.count
                counts_N[row] = query.count + (0.0 if query.entry and entered[row] else counts_N[row])
                if query.recent:
                    recency_N[row] = math.log(math.exp(recency_N[row]) + query.recent)
        return Facts(known=known_N, counts=counts_N, live_counts=live_N, weight_order=order_N, recency=recency_N)

    def entries(self, texts: Sequence[str]) -> list[bool]:
        """Whether each normalised query is an entry of the catalogue; empty if there is no catalogue."""
        index, entries = self._index, list[bool]()
        if index is not None and index.entry_count:
            entries = index.entries_at(index.positions(texts)).tolist()
        if self._live:
            entries = entries or [False] * len(texts)
            for row, query in self._among(texts):
                entries[row] |= query.entry
        return entries

    def shown(self, texts: Sequence[str]) -> list[tuple[Shown, ...]]:
        """The forms in which each normalised query is shown; see `QueryIndex.shown`."""
        as_they_are: list[tuple[Shown, ...]] = [(Shown(text, "", 1.0),) for text in texts]
        forms = self._index.shown(texts, self._wanted) if self._index else as_they_are
        live = dict[int, list[LiveQuery]]()
        for row, query in self._among(texts):
            live.setdefault(row, []).append(query)
        for row, queries in live.items():
            forms[row] = self._forms(texts[row], queries, forms[row])
        return forms

    def is_live(self, text: str) -> bool:
        """Whether most of what is known of a normalised query became known since the bundle was made."""
        queries = [query for _, query in self._among([text])]
        return bool(queries) and sum(query.count for query in queries) > (self._index.count(text) if self._index else 0)

    def _forms(self, text: str, queries: Sequence[LiveQuery], of_index: tuple[Shown, ...]) -> tuple[Shown, ...]:
        for query in queries:
            if query.entry:
                shown = Shown(query.display or text, query.payload, 1.0, entry=True)
                return (shown,) if self._wanted is None or self._wanted.admits(query.tags) else ()
            if query.display and of_index and of_index[0].display == text:
                return (Shown(query.display, "", 1.0),)
        return of_index

    def _among(self, texts: Sequence[str]) -> list[tuple[int, LiveQuery]]:
        return [each for live in self._live for each in live.among(texts)]
