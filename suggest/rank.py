"""The one score by which queries from the log and generated ones share a list.

It is the probability of a query given what was typed, its submissions smoothed by the language models' opinion
(Dirichlet prior; Zhai and Lafferty, 2004): `(count + m * p) / (total + m)`, where `p` is the models' probability,
`m` the pseudo-count that was fitted on held-out queries, and `total` counts all queries with the typed prefix. A
query of the log is thus never behind a generated one that is less probable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lm.manifest import Ranking


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A query that may be suggested.

    Attributes:
        count: submissions in the log; 0 for a query that only the models know.
        log_prob: the models' natural-log probability of the query given what was typed.
        ngram_log_prob, neural_log_prob: each model's, over the part that was not typed.
    """

    text: str
    count: float
    log_prob: float
    ngram_log_prob: float | None = None
    neural_log_prob: float | None = None


def score(candidate: Candidate, total: float, ranking: Ranking) -> float:
    """Natural-log probability of a candidate given what was typed, at most 0."""
    believed = ranking.pseudo_count * math.exp(min(candidate.log_prob, 0.0))
    mass = (candidate.count + believed) / (total + ranking.pseudo_count)
    return math.log(mass) if mass > 0 else -math.inf


def order(candidates: list[Candidate], total: float, ranking: Ranking) -> list[tuple[float, Candidate]]:
    """Candidates with their scores, best first; ties in the order of their text."""
    scored = [(score(candidate, total, ranking), candidate) for candidate in candidates]
    return sorted(scored, key=lambda pair: (-pair[0], pair[1].text))


def acceptance(log_prob: float, ranking: Ranking) -> float:
    """Calibrated probability that a suggestion is what the user wants (Platt, 1999)."""
    slope, intercept = ranking.calibration
    log_odds = log_prob - math.log(max(-math.expm1(min(log_prob, -1e-9)), 1e-12))
    return 1.0 / (1.0 + math.exp(-max(min(slope * log_odds + intercept, 30.0), -30.0)))
