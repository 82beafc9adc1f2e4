"""Queries on which two lists differ most, to be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.evaluation.metrics import draw
from training.evaluation.query_outcomes import Outcome

_READ = 10


def examples(before: Sequence[Outcome], after: Sequence[Outcome], seen: Sequence[bool]) -> dict[str, Any]:
    """How many queries rank higher and lower than before, and those whose reciprocal rank changed most.

    Among equal changes chance chooses, the same every time.
    """
    rows = list(zip(before, after, seen, strict=True))
    gains = [_reciprocal(now) - _reciprocal(was) for was, now, _ in rows]
    places = sorted(range(len(rows)), key=lambda place: draw(rows[place][0].query, "example"))

    def best(sign: int) -> list[dict[str, Any]]:
        changed = {rows[place][0].query: place for place in places if sign * gains[place] > 0}
        largest = sorted(changed.values(), key=lambda place: -sign * gains[place])
        return [_example(*rows[place]) for place in largest[:_READ]]

    return {
        "higher": sum(gain > 0 for gain in gains),
        "lower": sum(gain < 0 for gain in gains),
        "wins": best(1),
        "losses": best(-1),
    }


def _reciprocal(outcome: Outcome) -> float:
    return 1 / outcome.rank if outcome.rank else 0.0


def _example(was: Outcome, now: Outcome, seen: bool) -> dict[str, Any]:
    return {
        "typed": was.prefix,
        "wanted": was.query,
        "seen": seen,
        "rank_before": was.rank,
        "rank_after": now.rank,
        "top_before": list(was.top),
        "top_after": list(now.top),
    }
