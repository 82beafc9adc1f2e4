"""Query completion, measured thoroughly: intervals, groups, queries typed letter by letter, two bundles compared.

All other bundles are compared with the first, if they are measured on the same queries. The first one's log then also
says which queries are seen, because otherwise `seen` would mean other queries for each bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.bundle.bundle import Bundle
from suggest.measures import RESAMPLES, Floats, interval, reciprocal, resampled_ratios
from suggest.model import Model
from training.evaluation.metrics import draw
from training.evaluation.query_measures import MEASURES, Group, Measure, groups, terms, value
from training.evaluation.query_outcomes import (
    Complete,
    Outcome,
    most_popular,
    outcomes,
    sample,
    served,
    wanted_queries,
    with_errors,
)
from training.evaluation.statistics import reliability
from training.progress import Reporter

MAX_TYPED = 1000
"""Queries typed letter by letter by default. Each takes about as many lists as it has letters."""
_READ = 10


def query_completion(bundle: Bundle, lines: Sequence[str], reporter: Reporter) -> dict[str, Any]:
    """MRR@10, success@10, PMRR@10 and coverage of the served list, and of the log's popularity alone.

    Each for all queries, for those seen in the log and for those not. `calibration` is that of the acceptance
    probability of every suggestion shown, where one prefix in ten has a typing error; `by_source` in it is that of what
    comes from each source, and of corrections.
    """
    queries, complete = wanted_queries(lines), served(Model(bundle))
    return summary(bundle, complete, outcomes(complete, queries, reporter), seen_in(bundle, queries), reporter)


def seen_in(bundle: Bundle, queries: Sequence[str]) -> list[bool]:
    """Whether each query as a whole is in the bundle's query index."""
    assert bundle.queries is not None
    return [bundle.queries.count(query) > 0 for query in queries]


def summary(
    bundle: Bundle, complete: Complete, found: Sequence[Outcome], seen: Sequence[bool], reporter: Reporter
) -> dict[str, Any]:
    """The figures of `query_completion` for a bundle's outcomes, which `complete` gave."""
    assert bundle.queries is not None
    queries = [outcome.query for outcome in found]
    popular = outcomes(most_popular(bundle.queries), queries, reporter, what=" by popularity alone")
    return {
        **_by_seen(found, seen),
        "popularity_only": _by_seen(popular, seen),
        "calibration": _calibration(with_errors(complete, found)),
    }


def _calibration(found: Sequence[Outcome]) -> dict[str, Any]:
    shown = [
        (source, probability, place == outcome.right)
        for outcome in found
        for place, (source, probability) in enumerate(zip(outcome.sources, outcome.probabilities, strict=True))
    ]

    def measured(rows: Sequence[tuple[str, float, bool]]) -> dict[str, Any]:
        return reliability([probability for _, probability, _ in rows], [right for *_, right in rows])

    sources = sorted({source for source, *_ in shown})
    by_source = {source: measured([row for row in shown if row[0] == source]) for source in sources}
    return measured(shown) | {"by_source": by_source}


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
        """Types at most `max_typed` queries letter by letter."""
        self._reporter = reporter
        self._max_typed = max_typed
        self._first: _First | None = None

    def measure(self, label: str, bundle: Bundle, lines: Sequence[str]) -> dict[str, Any]:
        """The figures of `query_completion`, those of groups with intervals, and the comparison with the first bundle.

        The bundle goes by its `label` in comparisons.
        """
        queries = wanted_queries(lines)
        typed = sample(queries, self._max_typed)
        complete = served(Model(bundle))
        found = outcomes(complete, queries, self._reporter, typed=typed)
        same = self._first if self._first is not None and self._first.queries == queries else None
        if self._first is not None and same is None:
            self._reporter.say(f"Not compared with {self._first.label}: other queries. Give both the same.")
        first = same or _First(label, queries, seen_in(bundle, queries), found)
        self._first = self._first or first
        figures = summary(bundle, complete, found, first.seen, self._reporter)
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
        | {"measures": {measure.name: _figure(ratios) for measure, ratios in _ratios(group, found).items()}}
        for group in groups(found, seen)
    ]


def group_differences(
    before: Sequence[Outcome], after: Sequence[Outcome], seen: Sequence[bool]
) -> list[dict[str, Any]]:
    """By how much every measure of every group grew, with its 95% interval (bootstrap over the queries, paired).

    A difference is `real` if its interval excludes 0. Where nothing differs, one in twenty looks real by chance.

    Args:
        before, after: of the same queries; the same ones were typed letter by letter.
    """
    differences = []
    for group in groups(before, seen):
        was, now = (_ratios(group, found) for found in (before, after))
        measures = {}
        for measure, ratios in now.items():
            figure = _figure(ratios - was[measure])
            measures[measure.name] = figure | {"real": figure["low"] > 0 or figure["high"] < 0}
        differences.append(_described(group, before) | {"measures": measures})
    return differences


def _described(group: Group, found: Sequence[Outcome]) -> dict[str, Any]:
    typed = sum(found[row].keystrokes is not None for row in group.rows)
    return {"by": group.by, "group": group.name, "count": len(group.rows), "typed": typed}


def _figure(ratios: Floats) -> dict[str, Any]:
    low, high = interval(ratios[1:])
    return {"value": float(ratios[0]), "low": low, "high": high}


def _ratios(group: Group, found: Sequence[Outcome]) -> dict[Measure, Floats]:
    """Of each measure that applies, its value and then its resampled values, float64 (1 + resamples,)."""
    ratios: dict[Measure, Floats] = {}
    for typed in (False, True):
        alike = [measure for measure in MEASURES if measure.typed == typed]
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

    Which of equal changes are listed is drawn at random, the same every time.
    """
    rows = list(zip(before, after, seen, strict=True))
    gains = [reciprocal(now.rank) - reciprocal(was.rank) for was, now, _ in rows]
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
