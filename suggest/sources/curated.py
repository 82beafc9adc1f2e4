"""What an operator adds: queries that hold synonyms of what was typed, and those that are boosted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lm.index.live_queries import LiveQueries
from lm.index.queries import QueryIndex
from lm.text.hangul import typed_prefixes
from suggest.sources.log import POPULAR
from suggest.sources.source import Match, Proposal, Reading, Request
from suggest.sources.words import FOUND, how_found

_BEGINS = Match(near=True, later=False, disordered=False, left_over=0, regrouped=False, missing=0)
"""As a query that begins with the typed words in another form."""


class SynonymsSource:
    """Proposes what is found with a synonym in place of typed words. To be asked after the log, before the words."""

    def __init__(self, index: QueryIndex) -> None:
        self._index = index

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`."""
        synonyms = request.live.synonyms
        variants = synonyms.variants(reading.query) if synonyms is not None else ()
        found = dict[str, tuple[float, Match]]()
        every: tuple[QueryIndex | LiveQueries, ...] = (self._index, *request.live.queries)
        for variant in variants:
            for queries in every:
                self._find(queries, variant, request, found)
        prefixes = typed_prefixes(reading.query)
        found = {text: each for text, each in found.items() if not any(prefix.begins(text) for prefix in prefixes)}
        submissions = math.log(reading.total + sum(count for count, _ in found.values())) if found else 0.0
        reading.matched += sum(count for count, match in found.values() if match.explains)
        return [
            Proposal(text, reading, (), 0.0, math.log(count) - submissions, match)
            for text, (count, match) in found.items()
        ]

    def _find(
        self,
        queries: QueryIndex | LiveQueries,
        variant: str,
        request: Request,
        found: dict[str, tuple[float, Match]],
    ) -> None:
        popular, _ = queries.completions(variant, POPULAR, request.options.tags)
        for text, count in popular:
            found.setdefault(text, (count, _BEGINS))
        for each in queries.word_matches(variant, FOUND, request.options.tags):
            found.setdefault(each.text, (each.count, how_found(variant, each)._replace(near=True)))


class BoostedSource:
    """Proposes those boosted queries that begin as typed, however far down they are. To be asked after the log."""

    def __init__(self, index: QueryIndex) -> None:
        self._index = index

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`."""
        if request.live.pins is None:
            return ()
        texts = request.live.pins.boosted(request.query)
        prefixes = typed_prefixes(reading.query) if texts else ()
        return [
            Proposal(text, reading)
            for text in texts
            if text != reading.excluded
            and any(prefix.begins(text) for prefix in prefixes)
            and self._is_known(request, text)
        ]

    def _is_known(self, request: Request, text: str) -> bool:
        return self._index.count(text) > 0 or any(queries.get(text) for queries in request.live.queries)
