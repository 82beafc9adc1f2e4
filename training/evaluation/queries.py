"""Query completion, measured quickly: a list a query. What takes many lists is in `query_benchmark`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm.bundle.bundle import Bundle
from suggest.model import Model
from training.evaluation.calibration import reliability
from training.evaluation.query_measures import MEASURES, groups, value
from training.evaluation.query_outcomes import Outcome, most_popular, outcomes, served, wanted_queries
from training.progress import Reporter


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
