"""The weights of the ranking score, fitted on held-out queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lm.bundle import Bundle
from lm.manifest import Ranking
from suggest.candidates import propose, rescore
from suggest.complete import RESCORED
from suggest.rank import Candidate, order
from training.metrics import MIN_QUERY_LENGTH, reciprocal_rank, typed_prefix
from training.progress import Reporter

PSEUDO_COUNTS = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
_SHOWN = 10
_QUERIES = 1000
"""Held-out queries looked at: the optimum is flat, and each costs a millisecond or two."""


def fit_ranking(bundle: Bundle, queries: Sequence[str], reporter: Reporter) -> Ranking:
    """The pseudo-count with the highest MRR@10, and the calibration of the scores it gives."""
    model = bundle.language_model("queries")
    queries = [query for query in queries if len(query) >= MIN_QUERY_LENGTH]
    shown: list[tuple[str, list[Candidate], float]] = []
    with reporter.task("ranking weights", len(queries[:_QUERIES])) as task:
        for number, query in enumerate(queries[:_QUERIES]):
            pool = propose(model, bundle.queries, typed_prefix(query))
            scored = order(pool.candidates, pool.total, Ranking())
            first = [candidate for _, candidate in scored[:RESCORED]]
            shown.append((query, rescore(model, pool, first), pool.total))
            task.update(number + 1)
    best = max(PSEUDO_COUNTS, key=lambda count: (_mean_reciprocal_rank(shown, count), -count))
    ranking = Ranking(pseudo_count=best)
    outcomes = [
        (log_prob, candidate.text == query)
        for query, candidates, total in shown
        for log_prob, candidate in order(candidates, total, ranking)[:_SHOWN]
    ]
    return Ranking(pseudo_count=best, calibration=_calibrate(outcomes))


def _mean_reciprocal_rank(shown: list[tuple[str, list[Candidate], float]], pseudo_count: float) -> float:
    ranking = Ranking(pseudo_count=pseudo_count)
    total = 0.0
    for query, candidates, prefix_total in shown:
        texts = [candidate.text for _, candidate in order(candidates, prefix_total, ranking)[:_SHOWN]]
        total += reciprocal_rank(texts, query)
    return total / max(len(shown), 1)


def _calibrate(outcomes: list[tuple[float, bool]]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on the score's log-odds (Platt, 1999), by Newton's method."""
    if not any(wanted for _, wanted in outcomes):
        return (1.0, 0.0)
    log_probs = np.clip(np.array([log_prob for log_prob, _ in outcomes]), -30.0, -1e-9)
    features = np.stack([log_probs - np.log(-np.expm1(log_probs)), np.ones(len(outcomes))], axis=1)
    wanted = np.array([float(wanted) for _, wanted in outcomes])
    weights = np.array([1.0, 0.0])
    for _ in range(25):
        chance = 1.0 / (1.0 + np.exp(-features @ weights))
        curvature = (features * (chance * (1 - chance))[:, None]).T @ features + 1e-3 * np.eye(2)
        gradient = features.T @ (wanted - chance) - 1e-3 * (weights - np.array([1.0, 0.0]))
        weights = weights + np.linalg.solve(curvature, gradient)
    return float(weights[0]), float(weights[1])
