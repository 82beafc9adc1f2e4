"""The query log as a source: queries that begin with what was typed, and those that hold it further on.

Infix completions (`york t` gives `new york times`) come after all queries that begin with what was typed, because
people usually begin at the beginning. A user wants such a query only if none of the others is right, and then what was
typed says nothing certain. So its probability is what the list leaves, times the query's share of the whole log: a
cautious estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lm.index.queries import InfixMatch, QueryIndex
from lm.text.duplicates import duplicate_key, suspects
from suggest.sources.source import Proposal, Reading, Request

POPULAR = 16
"""Completions taken from the log: more than are shown, for the models may reorder them."""
_LEAST_LEFT = 1e-6
"""The list leaves at least this probability to other queries."""
SHARE = 4
"""One place in so many may be taken from generated ones by queries that are more popular than the whole prefix."""


class LogSource:
    """Proposes queries of the log, and notes how often those that begin so were submitted."""

    def __init__(self, index: QueryIndex) -> None:
        self._index = index

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:  # noqa: ARG002
        """See `Source.propose`."""
        popular, reading.total = self._index.completions(reading.query, POPULAR)
        proposals = [Proposal(text, reading) for text, _ in popular if text != reading.excluded]
        if reading.whole and reading.head and not reading.typed and self._index.count(reading.head):
            proposals.insert(0, Proposal(reading.head, reading))
        return proposals


class InfixSource:
    """Proposes queries that hold what was typed further on, the most popular first; threads may share it.

    Args:
        kinds: differences of `lm.text.duplicates` that make no other query.
    """

    def __init__(self, index: QueryIndex, kinds: Sequence[str]) -> None:
        self._index = index
        self._kinds = kinds

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`; as many as the list has places for, without near-duplicates of what is listed."""
        return [
            Proposal(match.text, reading, start=match.start, submissions=match.count)
            for match in self._other_matches(request.query, reading.listed, reading.places)
        ]

    def _other_matches(self, query: str, listed: Sequence[str], k: int) -> list[InfixMatch]:
        """The k most popular ones without near-duplicates of what is listed."""
        asked = k + 2  # mostly enough
        while True:
            matches = self._index.infix_completions(query, asked)
            every = [*listed, *(match.text for match in matches)]
            keys = {row: duplicate_key(every[row], *self._kinds) for row in suspects(every)}
            there = {key for row, key in keys.items() if row < len(listed)}
            others = []
            for row, match in enumerate(matches, len(listed)):
                key = keys.get(row)
                if key is None or key not in there:
                    others.append(match)
                if key is not None:
                    there.add(key)
            if len(others) >= k or len(matches) < asked:  # the index looks no further than its bound
                return others[:k]
            asked *= 4


def infix_log_probs(popularity: Sequence[float], listed: Sequence[tuple[float, float]]) -> list[float]:
    """Natural-log probabilities of infix completions, below those of the list before them.

    Args:
        popularity: natural logs of their shares of the whole log.
        listed: acceptance probability and its natural log of each query before them.
    """
    left = max(1.0 - sum(probability for probability, _ in listed), _LEAST_LEFT)
    ceiling = min((log_prob for _, log_prob in listed), default=0.0)
    ceiling -= 1e-6 * (1.0 - ceiling)  # below the last one's in the 32 bits of an answer too
    return [min(math.log(left) + share, ceiling) for share in popularity]
