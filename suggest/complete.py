"""Completes queries: popular and generated ones in one ranked list."""

from __future__ import annotations

import math
import time

from lm.bundle import Bundle
from lm.errors import UnsupportedError
from lm.hangul import typed_prefixes
from lm.text import normalize_query
from lm.typed import TypedPrefix
from suggest.budget import Budget
from suggest.candidates import propose, rescore
from suggest.estimate import CostEstimate
from suggest.rank import Candidate, acceptance, order
from suggest.stages import Stages
from suggest.types import QueryCompletion, QuerySuggestion, ScoreTerms, Source

RESCORED = 12
"""Candidates that the neural model sees: the shown ten and what may still rise among them."""


class QueryCompleter:
    """Completes queries from an open bundle; threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._model = bundle.language_model("queries")
        self._ranking = bundle.manifest.ranking
        self._neural_cost = CostEstimate(0.002)

    def complete(
        self,
        query: str,
        *,
        max_suggestions: int,
        exclude_generated: bool,
        neural: bool,
        budget: Budget | None,
    ) -> QueryCompletion:
        """Ranked completions; an empty query gets the most popular ones.

        Raises:
            UnsupportedError: the bundle was trained without queries.
        """
        if self._bundle.queries is None:
            raise UnsupportedError(
                f"Model {self._bundle.manifest.name!r} has no query index.",
                remedy="Train it with a [[query_log]] section, or ask another model.",
            )
        stages = Stages()
        with stages.stage("parse"):
            normalized = normalize_query(query)
        scored, total, degraded = self._ranked(normalized, max_suggestions, exclude_generated, neural, budget, stages)
        with stages.stage("rank"):
            typed = typed_prefixes(normalized)
            suggestions = tuple(
                self._suggestion(candidate, log_prob, _typed_length(candidate.text, normalized, typed), total)
                for log_prob, candidate in scored[:max_suggestions]
            )
        return QueryCompletion(
            suggestions=suggestions,
            normalized_query=normalized,
            degraded=degraded,
            timings=stages.timings,
        )

    def _ranked(
        self,
        query: str,
        max_suggestions: int,
        exclude_generated: bool,
        neural: bool,
        budget: Budget | None,
        stages: Stages,
    ) -> tuple[list[tuple[float, Candidate]], float, bool]:
        """Candidates with scores, best first; submissions of the prefix; whether time was too short."""
        if not query:
            return *self._popular(max_suggestions, stages), False
        with stages.stage("ngram"):
            pool = propose(self._model, self._bundle.queries, query)
            # Before the neural model's share is cut off: generated ones would otherwise take the places of real ones.
            wanted = [each for each in pool.candidates if each.count > 0 or not exclude_generated]
            scored = order(wanted, pool.total, self._ranking)
        if not neural or self._model.neural is None or not scored:
            return scored, pool.total, False
        if not self._neural_cost.fits(budget):
            return scored, pool.total, True
        with stages.stage("neural"):
            start_s = time.perf_counter()
            first = [candidate for _, candidate in scored[: max(RESCORED, max_suggestions + 2)]]
            scored = order(rescore(self._model, pool, first), pool.total, self._ranking)
            self._neural_cost.observe(time.perf_counter() - start_s)
        return scored, pool.total, False

    def _popular(self, k: int, stages: Stages) -> tuple[list[tuple[float, Candidate]], float]:
        assert self._bundle.queries is not None
        with stages.stage("history"):
            popular, total = self._bundle.queries.completions("", k)
            candidates = [Candidate(text=text, count=count, log_prob=float("-inf")) for text, count in popular]
            return order(candidates, total, self._ranking), total

    def _suggestion(self, candidate: Candidate, log_prob: float, typed_length: int, total: float) -> QuerySuggestion:
        popularity = math.log(candidate.count / total) if candidate.count > 0 else None
        return QuerySuggestion(
            text=candidate.text,
            log_prob=min(log_prob, 0.0),
            acceptance_prob=acceptance(log_prob, self._ranking),
            source=Source.HISTORY if candidate.count > 0 else Source.GENERATED,
            typed_length=typed_length,
            terms=ScoreTerms(
                popularity_log_prob=popularity,
                ngram_log_prob=candidate.ngram_log_prob,
                neural_log_prob=candidate.neural_log_prob,
            ),
        )


def _typed_length(text: str, query: str, typed: tuple[TypedPrefix, ...]) -> int:
    """Code points of a suggestion that are typed; a syllable in the making is not until it is as shown."""
    if not typed[0].low:
        return min(len(query), len(text))
    literal = next((len(prefix.literal) for prefix in typed if prefix.begins(text)), 0)
    return literal + text.startswith(query[-1], literal)
