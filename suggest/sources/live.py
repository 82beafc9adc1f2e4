"""What became known since the bundle was made as a source: queries that begin as typed, or hold the typed words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lm.index.live_queries import LiveQueries
from lm.index.queries import QueryIndex
from lm.text.hangul import typed_prefixes
from suggest.sources.log import POPULAR
from suggest.sources.source import Proposal, Reading, Request
from suggest.sources.words import FEW, FOUND, how_found


class LiveSource:
    """Proposes live queries, and adds to what log and words have noted. To be asked after these.

    As these do, it leaves out what is no more popular than the last of the log's proposals.
    """

    def __init__(self, index: QueryIndex) -> None:
        self._index = index

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`."""
        return [each for queries in request.live.queries for each in self._of(queries, request, reading)]

    def _of(self, queries: LiveQueries, request: Request, reading: Reading) -> Iterator[Proposal]:
        typed, excluded, wanted = reading.query, reading.excluded, request.options.tags
        popular, total = queries.completions(typed, POPULAR, wanted)
        hidden = sum(count for text, count in popular if request.blocks(text))
        total = max(total - hidden, 0.0)  # what nobody is shown does not count
        reading.total += total
        reading.live += total
        for text, _ in popular:
            if self._is_worth_it(queries, text, reading) and (text != excluded or _is_entry(queries, text)):
                yield Proposal(text, reading)
        if len(typed) < FEW and (reading.least > 0 or len(popular) == POPULAR):
            return
        prefixes = typed_prefixes(typed)
        found = [
            match
            for match in queries.word_matches(typed, FOUND, wanted)
            if match.text != typed.rstrip()
            and not any(prefix.begins(match.text) for prefix in prefixes)
            and self._is_worth_it(queries, match.text, reading)
        ]
        submissions = math.log(reading.total + sum(match.count for match in found)) if found else 0.0
        for each in found:
            match = how_found(typed, each)
            if match.explains:
                reading.matched += each.count
            yield Proposal(each.text, reading, (), 0.0, math.log(each.count) - submissions, match)

    def _is_worth_it(self, queries: LiveQueries, text: str, reading: Reading) -> bool:
        query = queries.get(text)
        return query is not None and query.count + self._index.count(text) > reading.least


def _is_entry(queries: LiveQueries, text: str) -> bool:
    query = queries.get(text)
    return query is not None and query.entry
