"""The query log as a source: the most popular queries that begin with what was typed.

What was typed is itself proposed only if it is an entry of a catalogue: that one is more than its text.
"""

from __future__ import annotations

from collections.abc import Sequence

from lm.index.queries import QueryIndex
from suggest.sources.source import Proposal, Reading, Request

POPULAR = 16
"""Completions taken from the log: more than are shown, for the models may reorder them."""
_EQUAL = 96
"""So many where these are equally popular, as rare ones are: then the models alone tell them apart."""


class LogSource:
    """Proposes queries of the log, and notes how often those that begin so were submitted."""

    def __init__(self, index: QueryIndex) -> None:
        self._index = index

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`."""
        taken = POPULAR
        wanted = request.options.tags
        popular, reading.total = self._index.completions(reading.query, taken, wanted)
        if len(popular) == taken and popular[0][1] == popular[-1][1]:
            taken = _EQUAL
            popular, _ = self._index.completions(reading.query, taken, wanted)
        reading.least = popular[-1][1] if len(popular) == taken else 0.0
        excluded = reading.excluded
        proposals = [Proposal(text, reading) for text, _ in popular if text != excluded]
        if excluded and self._index.is_entry(excluded):
            proposals.insert(0, Proposal(excluded, reading))
        if reading.whole and reading.head and not reading.typed and self._index.count(reading.head):
            proposals.insert(0, Proposal(reading.head, reading))
        return proposals
