"""Completes queries: popular and generated ones in one ranked list."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from lm.errors import UnsupportedError
from lm.index.queries import QueryIndex
from lm.text.hangul import typed_prefixes
from lm.text.normalize import normalize_query
from suggest.advice import Advisers
from suggest.budget import Budget, OptionalPart
from suggest.candidates import Pool, propose
from suggest.duplicates import distinct, distinct_pool
from suggest.estimate import Allowance, CostEstimate
from suggest.infix import typed_length, with_infix
from suggest.rank import Candidates, Floats, first_exact, order
from suggest.readings import pool_readings
from suggest.reranking import rerank
from suggest.rescoring import Rescorer
from suggest.spelling import Correction, Corrector
from suggest.stages import Stages
from suggest.types import QueryCompletion, QuerySuggestion, ScoreTerms, Source

CHOSEN = 16
"""Candidates that are ranked at last: the shown ten and what may still rise among them."""
SPARE = 4
"""Completions of corrections that they see besides, more than the list has places for."""
_PROBABLE = math.log(0.5)
"""A correction that is more probable than this is what was meant."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """Natural-log probability and row of each candidate, best first, and each model's opinion of them.

    `corrections` says of which correction of what was typed a text is a completion, if of any; `total` are the
    submissions behind all readings of it; `refiners` are as of `QueryCompletion`.
    """

    ranked: list[tuple[float, int]]
    candidates: Candidates
    ngram: Floats
    neural: Floats | None
    corrections: dict[str, Correction] = field(default_factory=dict)
    total: float = 0.0
    refiners: tuple[OptionalPart, ...] = ()


class QueryCompleter:
    """Completes queries from an open bundle; threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._model = bundle.language_model("queries")
        self._ranking = bundle.manifest.ranking
        self._advisers = Advisers(bundle.advisers() if self._ranking.advisers else ())
        self._rescorer = Rescorer(self._model)
        self._first_ranking = bundle.manifest.first_ranking
        self._neural_cost = CostEstimate(0.002)
        self._reranks = self._model.reranker is not None and self._ranking.reranker > 0
        self._reranker_cost = CostEstimate(0.003)
        self._corrector = Corrector(self._model, bundle.lexicon) if bundle.lexicon is not None else None
        self._correction_cost = CostEstimate(0.002)

    def complete(
        self,
        query: str,
        *,
        max_suggestions: int,
        exclude_generated: bool,
        neural: bool,
        budget: Budget | None,
        correct: bool = True,
        explain: bool = False,
    ) -> QueryCompletion:
        """Ranked completions; an empty query gets the most popular ones.

        Args:
            correct: look for typing errors where what was typed is not as queries usually are.
            explain: say what the neural model thinks of each whole query, which costs extra.

        Raises:
            UnsupportedError: the bundle was trained without queries.
        """
        if self._bundle.queries is None:
            raise UnsupportedError(
                f"Model {self._bundle.manifest.name!r} has no query index.",
                remedy="Train it with a [[query_log]] section, or ask another model.",
            )
        stages, allowance = Stages(), Allowance(budget)
        with stages.stage("parse"):
            normalized = normalize_query(query)
        if normalized:
            listed, total = self._ranked(
                *(normalized, max_suggestions, exclude_generated, neural, allowance, stages),
                correct=correct,
                explain=explain,
            )
        else:
            listed, total = self._popular(max_suggestions, stages)
        with stages.stage("rank"):
            suggestions = self._suggestions(listed, normalized, self._bundle.queries, max_suggestions)
            kinds = self._bundle.manifest.duplicates.collapse
            suggestions = with_infix(self._bundle.queries, normalized, suggestions, total, max_suggestions, kinds)
        return QueryCompletion(
            suggestions=suggestions,
            normalized_query=normalized,
            corrected_query=_corrected_query(listed, suggestions),
            left_out=allowance.left_out,
            refiners=listed.refiners,
            timings=stages.timings,
        )

    def considered(self, query: str, k: int) -> tuple[Candidates, float]:
        """What is ranked for a normalised query if k are to be shown, and the submissions behind all readings of it."""
        listed, _ = self._ranked(query, k, False, True, Allowance(None), Stages())
        return listed.candidates, listed.total

    def _ranked(
        self,
        query: str,
        max_suggestions: int,
        exclude_generated: bool,
        neural: bool,
        allowance: Allowance,
        stages: Stages,
        *,
        correct: bool = True,
        explain: bool = False,
    ) -> tuple[_Listed, float]:
        """The list, and submissions of what was typed as it stands."""
        with stages.stage("ngram"):
            proposed = propose(self._model, self._bundle.queries, query, self._bundle.denied)
            pool = distinct_pool(proposed, self._bundle.manifest.duplicates)
            rows = first_rows(pool, self._first_ranking, max(CHOSEN, max_suggestions + 2), exclude_generated)
        corrections, total = dict[str, Correction](), pool.total
        suspects = self._corrector.suspects(query, pool) if correct and self._corrector is not None else ()
        if self._corrector and suspects and allowance.allows(OptionalPart.SPELLING, self._correction_cost):
            searches = self._corrector.searches
            with stages.stage("spelling"):
                pool, corrections = self._read_otherwise(query, suspects, pool)
            if self._corrector.searches > searches:  # what was known says nothing of what the next one costs
                self._correction_cost.observe(stages.timings[-1].duration_s)
        if corrections:  # beside those that suit the typed letters, which stay the same
            rows += _first_corrected(pool, self._first_ranking, max_suggestions + SPARE, exclude_generated)
        chosen = pool.candidates.of(rows)
        if self._advisers:
            with stages.stage("advice"):
                chosen = self._advisers.advise(chosen)
        candidates, opinion = chosen, None
        asked = neural and bool(rows)
        if asked and self._rescorer.helps(pool) and allowance.allows(OptionalPart.NEURAL, self._neural_cost):
            with stages.stage("neural"):
                rescored = self._rescorer.rescore(pool, rows, chosen)
                candidates = rescored.candidates
            if rescored.read:
                self._neural_cost.observe(stages.timings[-1].duration_s)
            if explain:
                with stages.stage("explain"):
                    opinion = self._rescorer.opinions(pool, rows, chosen)
        if asked and self._reranks and allowance.allows(OptionalPart.RERANKER, self._reranker_cost, last=True):
            with stages.stage("reranker"), self._reranker_cost.measured():
                candidates = rerank(self._model, candidates)
        ranked = order(candidates, pool.total, self._ranking)
        refiners = () if neural or not rows else self._refiners(pool)
        return _Listed(ranked, candidates, chosen.log_probs, opinion, corrections, pool.total, refiners), total

    def _refiners(self, pool: Pool) -> tuple[OptionalPart, ...]:
        could = {OptionalPart.NEURAL: self._rescorer.helps(pool), OptionalPart.RERANKER: self._reranks}
        return tuple(part for part, helps in could.items() if helps)

    def _read_otherwise(self, query: str, suspects: tuple[int, ...], pool: Pool) -> tuple[Pool, dict[str, Correction]]:
        """The pool with what completes the corrections of typing errors, and which completes which."""
        assert self._corrector is not None
        log_posterior, corrections = self._corrector.corrections(query, suspects, pool)
        if not corrections:
            return pool, {}

        def proposed(correction: Correction) -> Pool:
            model, index, denied = self._model, self._bundle.queries, self._bundle.denied
            found = propose(model, index, correction.text, denied, whole=correction.whole)
            return distinct_pool(found, self._bundle.manifest.duplicates)

        kinds = [kind for kind in self._bundle.manifest.duplicates.collapse if kind != "plural"]
        return pool_readings(query, pool, log_posterior, corrections, proposed, kinds)

    def _popular(self, k: int, stages: Stages) -> tuple[_Listed, float]:
        """The most popular queries with their shares of the log: before a letter is typed no model has an opinion."""
        assert self._bundle.queries is not None
        with stages.stage("history"):
            popular, total = self._bundle.queries.completions("", 2 * k)
            every, counts_of_all = [text for text, _ in popular], [count for _, count in popular]
            rows = distinct(every, counts_of_all, self._bundle.manifest.duplicates)
            popular = [popular[row] for row in rows[:k]]
            counts = np.array([count for _, count in popular], np.float64)
            unknown = np.full(len(popular), -np.inf)
            texts = [text for text, _ in popular]
            lengths = np.array([len(text) for text in texts], np.float64)
            candidates = Candidates(texts, lengths, counts, unknown, np.ones(len(texts)))
            ranked = [(math.log(count / total), row) for row, (_, count) in enumerate(popular)]
        return _Listed(ranked, candidates, unknown, None), total

    def _suggestions(
        self, listed: _Listed, query: str, index: QueryIndex, max_suggestions: int
    ) -> tuple[QuerySuggestion, ...]:
        counts, ngram = listed.candidates.counts.tolist(), listed.ngram.tolist()
        every, corrections, prefixes = listed.candidates.texts, listed.corrections, typed_prefixes(query)
        neural = listed.neural.tolist() if listed.neural is not None else [-math.inf] * len(counts)
        ranked = listed.ranked[:max_suggestions]
        suggestions = []
        shown = index.shown([every[row] for _, row in ranked])
        for (log_prob, row), (display, payload) in zip(ranked, shown, strict=True):
            text, count, correction = every[row], counts[row], corrections.get(every[row])
            typed = typed_length(text, query, prefixes) if correction is None else len(correction.text.rstrip())
            popularity = math.log(count / index.total) if count > 0 else None
            edits = correction.edits if correction is not None else 0
            terms = ScoreTerms(popularity, _known(ngram[row]), _known(neural[row]), edits)
            source = Source.HISTORY if count > 0 else Source.GENERATED
            suggestions.append(
                QuerySuggestion(text, display, log_prob, math.exp(log_prob), source, (0, typed), terms, payload)
            )
        return tuple(suggestions)


def first_rows(pool: Pool, ranking: Ranking, k: int, exclude_generated: bool = False) -> list[int]:
    """The candidates that are worth the other models' time, best first.

    Generated ones that are not asked for go before the list is cut, or they would take the places of real ones.
    """
    kept = np.flatnonzero(pool.candidates.counts > 0).tolist() if exclude_generated else range(len(pool.tokens))
    candidates = pool.candidates.of(kept) if exclude_generated else pool.candidates
    return [kept[row] for _, row in order(candidates, pool.total, ranking)[:k]]


def _first_corrected(pool: Pool, ranking: Ranking, k: int, exclude_generated: bool) -> list[int]:
    """The completions of corrections that may get one of k places, best first."""
    start, candidates = len(pool.parts[0].tokens), pool.candidates
    kept = [row for row in range(start, len(pool.tokens)) if candidates.counts[row] or not exclude_generated]
    if start and candidates.log_posteriors is not None:
        k -= min(first_exact(float(candidates.log_posteriors[0])), start)
    return [kept[row] for _, row in order(candidates.of(kept), pool.total, ranking)[: max(k, 0)]]


def _corrected_query(listed: _Listed, suggestions: tuple[QuerySuggestion, ...]) -> str:
    """The correction that is more probable than all else, if a suggestion completes it."""
    shown = [listed.corrections[each.text] for each in suggestions if each.text in listed.corrections]
    return next((correction.text for correction in shown if correction.log_posterior > _PROBABLE), "")


def _known(log_prob: float) -> float | None:
    return log_prob if math.isfinite(log_prob) else None
