"""Measures of query completion and next-word prediction.

Query completion follows the AOL papers' protocol: one prefix a query, drawn from the query itself, ten candidates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

MIN_QUERY_LENGTH = 3


def typed_prefix(query: str) -> str:
    """The prefix of a held-out query of at least `MIN_QUERY_LENGTH` characters: 2 or more, the same every time."""
    draw = int(hashlib.md5(f"{query}0".encode(), usedforsecurity=False).hexdigest(), 16)
    return query[: 2 + draw % (len(query) - 2)]


def reciprocal_rank(shown: Sequence[str], wanted: str) -> float:
    """1 / rank of the wanted query in the list; 0 for a miss."""
    return 1.0 / (list(shown).index(wanted) + 1) if wanted in shown else 0.0


@dataclass(slots=True)
class RankMeter:
    """Reciprocal ranks of many queries, by group."""

    groups: dict[str, list[float]] = field(default_factory=dict)

    def add(self, value: float, *names: str) -> None:
        """Takes one query's reciprocal rank in."""
        for name in names:
            self.groups.setdefault(name, []).append(value)

    def summary(self) -> dict[str, dict[str, float]]:
        """MRR@10 and success@10 of each group."""
        return {
            name: {
                "count": len(values),
                "mrr_at_10": sum(values) / len(values),
                "success_at_10": sum(value > 0 for value in values) / len(values),
            }
            for name, values in self.groups.items()
        }
