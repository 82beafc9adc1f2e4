"""Query completion: how often the wanted query is shown, and whether its stated probability is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm.bundle import Bundle
from lm.text import normalize_query
from suggest.model import Model
from training.evaluation.calibration import reliability
from training.metrics import MIN_QUERY_LENGTH, RankMeter, reciprocal_rank, typed_prefix
from training.progress import Reporter

_SHOWN = 10


def query_completion(bundle: Bundle, queries: Sequence[str], reporter: Reporter) -> dict[str, Any]:
    """MRR@10 and success@10 of the served list, and of the log's popularity alone; seen, unseen and all.

    `calibration` is that of the acceptance probability of every suggestion shown.
    """
    model = Model(bundle)
    index = bundle.queries
    assert index is not None
    served, popular = RankMeter(), RankMeter()
    probabilities: list[float] = []
    right: list[bool] = []
    with reporter.task("complete held-out queries", len(queries)) as task:
        for number, line in enumerate(queries):
            query = normalize_query(line).rstrip()
            if len(query) < MIN_QUERY_LENGTH:
                continue
            prefix = typed_prefix(query)
            groups = ("all", "seen" if index.count(query) > 0 else "unseen")
            suggestions = model.complete_query(prefix, max_suggestions=_SHOWN).suggestions
            shown = [suggestion.text for suggestion in suggestions]
            served.add(reciprocal_rank(shown, query), *groups)
            probabilities += [suggestion.acceptance_prob for suggestion in suggestions]
            right += [text == query for text in shown]
            heaviest, _ = index.completions(prefix, _SHOWN + 1)
            listed = [text for text, _ in heaviest if text != prefix.rstrip()][:_SHOWN]
            popular.add(reciprocal_rank(listed, query), *groups)
            if number % 50 == 0:
                task.update(number)
    calibration = reliability(probabilities, right)
    return {**served.summary(), "popularity_only": popular.summary(), "calibration": calibration}
