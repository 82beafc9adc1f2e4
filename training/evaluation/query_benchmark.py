"""Query completion, measured thoroughly: intervals, groups, queries typed letter by letter, two bundles compared.

The first bundle is what the others are compared with, where they are measured on the same queries. Its log then says
for all of them which queries were seen, for otherwise `seen` would be other queries of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.bundle.bundle import Bundle
from suggest.model import Model
from training.evaluation.metrics import draw
from training.evaluation.query_measures import MEASURES, Floats, Group, Measure, groups, terms, value
from training.evaluation.query_outcomes import Outcome, most_popular, outcomes, sample, served, wanted_queries
from training.evaluation.statistics import RESAMPLES, interval, reliability, resampled_ratios
from training.progress import Reporter

MAX_TYPED = 1000
"""Queries typed letter by letter by default: each takes as many lists as it has letters, or nearly."""
_READ = 10


def query_completion(bundle: Bundle, lines: Sequence[str], reporter: Reporter) -> dict[str, Any]:
    """MRR@10, success@10, PMRR@10 and coverage of the served list, and of the log's popularity alone.

    Of all queries, of those seen in the log and of those not. `calibration` is that of the acceptance probability of
    every suggestion shown.
    """
    queries = wanted_queries(lines)
    return summary(bundle, outcomes(served(Model(bundle)), queries, reporter), seen_in(bundle, queries), reporter)


def seen_in(bundle: Bundle, queries: Sequence[str]) -> list[bool]:
    """Whether each query as a whole is in the bundle's query index."""
    assert bundle.queries is not None
    return [bundle.queries.count(query) > 0 for query in queries]


def summary(bundle: Bundle, found: Sequence[Outcome], seen: Sequence[bool], reporter: Reporter) -> dict[str, Any]:
    """The figures of `query_completion`, of a bundle's outcomes."""
    assert bundle.queries is not None
    queries = [outcome.query for outcome in found]
    popular = outcomes(most_popular(bundle.queries), queries, reporter, what=" by popularity alone")
    probabilities = [probability for outcome in found for probability in outcome.probabilities]
    right = [place == outcome.right for outcome in found for place in range(len(outcome.probabilities))]
    return {
        **_by_seen(found, seen),
        "popularity_only": _by_seen(popular, seen),
        "calibration": reliability(probabilities, right),
    }


def _by_seen(found: Sequence[Outcome], seen: Sequence[bool]) -> dict[str, dict[str, float]]:
    return {
        group.name: {
            "count": len(group.rows),
            **{measure.name: value(measure, found, group.rows) for measure in MEASURES if not measure.typed},
        }
        for group in groups(found, seen)
        if group.by == "seen"
    }


@dataclass(frozen=True, slots=True)
class _First:
    label: str
    queries: Sequence[str]
    seen: Sequence[bool]
    found: Sequence[Outcome]


class QueryBenchmark:
    """Measures bundles one after the other."""

    def __init__(self, reporter: Reporter, *, max_typed: int = MAX_TYPED) -> None:
        """Args: max_typed: queries at most that are typed letter by letter."""
        self._reporter = reporter
        self._max_typed = max_typed
        self._first: _First | None = None

    def measure(self, label: str, bundle: Bundle, lines: Sequence[str]) -> dict[str, Any]:
        """The figures of `query_completion`, those of groups with intervals, and the comparison with the first bundle.

        Args:
            label: what the bundle is called in comparisons.
        """
        queries = wanted_queries(lines)
        typed = sample(queries, self._max_typed)
        found = outcomes(served(Model(bundle)), queries, self._reporter, typed=typed)
        same = self._first if self._first is not None and self._first.queries == queries else None
        if self._first is not None and same is None:
            self._reporter.say(f"Not compared with {self._first.label}: other queries. Give both the same.")
        first = same or _First(label, queries, seen_in(bundle, queries), found)
        self._first = self._first or first
        figures = summary(bundle, found, first.seen, self._reporter)
        figures |= {"seen_in": first.label, "typed": len(typed), "resamples": RESAMPLES}
        figures["groups"] = group_figures(found, first.seen)
        if same is not None:
            figures["comparison"] = {
                "with": same.label,
                "groups": group_differences(same.found, found, same.seen),
                **examples(same.found, found, same.seen),
            }
        return figures


def group_figures(found: Sequence[Outcome], seen: Sequence[bool]) -> list[dict[str, Any]]:
    """Every measure of every group with its 95% interval (bootstrap over the queries)."""
    return [
        _described(group, found)
        | {
            "measures": {
                measure.name: _figure(ratios[0], ratios[1:])
                for measure, ratios in _ratios(group, found, MEASURES).items()
            }
        }
        for group in groups(found, seen)
    ]


def group_differences(
    before: Sequence[Outcome], after: Sequence[Outcome], seen: Sequence[bool]
) -> list[dict[str, Any]]:
    """By how much every measure of every group grew, with its 95% interval (bootstrap over the queries, paired).

    A difference is `real` if its interval excludes 0. One in twenty differences that are none looks real by chance.

    Args:
        before, after: of the same queries, of which the same ones were typed letter by letter.
    """
    differences = []
    for group in groups(before, seen):
        was, now = (_ratios(group, found, MEASURES) for found in (before, after))
        measures = {}
        for measure, ratios in now.items():
            figure = _figure(ratios[0] - was[measure][0], ratios[1:] - was[measure][1:])
            measures[measure.name] = figure | {"real": figure["low"] > 0 or figure["high"] < 0}
        differences.append(_described(group, before) | {"measures": measures})
    return differences


def _described(group: Group, found: Sequence[Outcome]) -> dict[str, Any]:
    typed = sum(found[row].keystrokes is not None for row in group.rows)
    return {"by": group.by, "group": group.name, "count": len(group.rows), "typed": typed}


def _figure(value: float, samples_R: Floats) -> dict[str, Any]:
    low, high = interval(samples_R)
    return {"value": float(value), "low": low, "high": high}


def _ratios(group: Group, found: Sequence[Outcome], measures: Sequence[Measure]) -> dict[Measure, Floats]:
    """Each measure's value and, after it, its resampled values, float64 (1 + resamples,); those that apply."""
    together: dict[bool, list[Measure]] = {}
    for measure in measures:
        together.setdefault(measure.typed, []).append(measure)
    ratios: dict[Measure, Floats] = {}
    for alike in together.values():
        rows: NDArray[np.int64] = group.measured(alike[0], found)
        if not len(rows):
            continue
        pairs = [terms(measure, found, rows) for measure in alike]
        above_BM, below_BM = (np.stack(columns, axis=1) for columns in zip(*pairs, strict=True))
        values_1M = above_BM.sum(axis=0, keepdims=True) / below_BM.sum(axis=0, keepdims=True)
        every_RM = np.concatenate([values_1M, resampled_ratios(above_BM, below_BM)])
        ratios |= dict(zip(alike, every_RM.T, strict=True))
    return ratios


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
