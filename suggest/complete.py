"""Completes queries: asks the sources, removes duplicates, ranks."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from lm.errors import UnsupportedError
from lm.index.queries import QueryIndex
from lm.index.shown import Shown
from lm.text.duplicates import distinct
from lm.text.hangul import typed_prefixes
from lm.text.normalize import normalize_query
from suggest.budget import Budget, CostEstimate, OptionalPart, Work
from suggest.candidates import Candidates, Floats, Pool, describe, pool_readings
from suggest.opinions import Advisers, Rescorer, rerank
from suggest.rank import judge_readings, order
from suggest.sources.log import LogSource
from suggest.sources.ngram import NgramSource
from suggest.sources.source import Proposal, Reading, Request, Source, read_typed
from suggest.sources.spelling import SpellingSource
from suggest.sources.words import WordsSource
from suggest.typed_spans import prefix_span, word_spans
from suggest.types import QueryCompletion, QueryOptions, QuerySuggestion, ScoreTerms, SuggestionSource

CHOSEN = 16
"""Candidates that are ranked at last: the shown ten and what may still rise among them."""
CORRECTED = 12
"""Completions of corrections that are ranked with them."""
_LEAST_SHARE = 1e-300
"""Of a title's weight that is nothing beside another of the same title."""
_PROBABLE = math.log(0.5)
"""A correction that is more probable than this is what was meant."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """Natural-log probability and row of each candidate, best first, and each model's opinion of them.

    `corrections` has the correction that a text completes, if it completes
    one; `total` are the submissions behind all readings; `refiners` are as of `QueryCompletion`.
    """

    ranked: list[tuple[float, int]]
    candidates: Candidates
    ngram: Floats
    neural: Floats | None = None
    corrections: dict[str, Reading] = field(default_factory=dict)
    total: float = 0.0
    refiners: tuple[OptionalPart, ...] = ()


class QueryCompleter:
    """Completes queries from an open bundle; threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._model = bundle.language_model("queries")
        self._duplicates = bundle.manifest.duplicates
        self._ranking = bundle.manifest.ranking
        self._first_ranking = bundle.manifest.first_ranking
        self._fills = bundle.manifest.generated == "fill"
        self._from_left: tuple[Source, ...] = (NgramSource(self._model),)
        self._sources: tuple[Source, ...] = self._from_left
        if bundle.queries is not None:
            self._from_left += (LogSource(bundle.queries),)
            self._sources = (*self._from_left, WordsSource(bundle.queries))
        self._spelling: SpellingSource | None = None
        if bundle.lexicon is not None:
            self._spelling = SpellingSource(self._model, bundle.lexicon, self._sources)
        self._advisers = Advisers(bundle.advisers() if self._ranking.advisers else ())
        self._rescorer = Rescorer(self._model)
        self._reranks = self._model.reranker is not None and self._ranking.reranker > 0
        self._spelling_cost = CostEstimate(0.002)
        self._neural_cost = CostEstimate(0.002)
        self._reranker_cost = CostEstimate(0.003)

    def complete(self, query: str, options: QueryOptions, budget: Budget | None) -> QueryCompletion:
        """Ranked completions; an empty query gets the most popular ones.

        Raises:
            UnsupportedError: the bundle was trained without queries.
        """
        if self._bundle.queries is None:
            raise UnsupportedError(
                f"Model {self._bundle.manifest.name!r} has no query index.",
                remedy="Train it with a [[query_log]] section, or ask another model.",
            )
        work = Work(budget)
        with work.stage("parse"):
            request = Request(normalize_query(query), options)
        if request.query:
            listed = self._ranked(request, work)
        else:
            listed = self._popular(options.max_suggestions, self._bundle.queries, work)
        with work.stage("rank"):
            suggestions = self._suggestions(request, listed, self._bundle.queries)
        return QueryCompletion(
            suggestions=suggestions,
            normalized_query=request.query,
            corrected_query=_corrected_query(listed, suggestions),
            left_out=work.left_out,
            refiners=listed.refiners,
            timings=work.timings,
        )

    def proposed(self, query: str, *, whole: bool = False) -> Pool:
        """What log and models propose that begins as a normalised query, without near-duplicates.

        Args:
            whole: see `Reading`.
        """
        return self._proposed(Request(query), read_typed(self._model, query, whole=whole), self._from_left)

    def considered(self, query: str, k: int) -> tuple[Candidates, float]:
        """What is ranked for a normalised query if k are to be shown, and the submissions behind all readings of it."""
        listed = self._ranked(Request(query, QueryOptions(max_suggestions=k)), Work(None))
        return listed.candidates, listed.total

    def readings(self, query: str) -> list[Reading]:
        """How a normalised query may be read, as it stands first; one reading where no error was looked for or found."""
        request, reading = Request(query), read_typed(self._model, query)
        pool = self._proposed(request, reading, self._sources)
        if self._spelling is None:
            return [reading]
        return [reading, *dict.fromkeys(self._corrected(request, reading, pool, self._spelling, Work(None))[1].values())]

    def _proposed(self, request: Request, reading: Reading, sources: Sequence[Source]) -> Pool:
        proposals = [proposal for source in sources for proposal in source.propose(request, reading)]
        return self._described(reading, proposals)

    def _described(self, reading: Reading, proposals: Sequence[Proposal]) -> Pool:
        pool = describe(reading, proposals, self._model, self._bundle.queries, self._bundle.never_generated)
        pool = pool.distinct(self._duplicates, self._bundle.queries)
        counts, matching = pool.candidates.counts, pool.candidates.matching
        reading.logged = int(np.count_nonzero(counts if matching is None else counts[pool.candidates.from_left]))
        return pool

    def _ranked(self, request: Request, work: Work) -> _Listed:
        options = request.options
        with work.stage("ngram"):
            reading = read_typed(self._model, request.query)
            pool = self._proposed(request, reading, self._sources)
            size = max(CHOSEN, options.max_suggestions + 2)
            rows = first_rows(pool, self._first_ranking, size, options.exclude_generated)
        corrections = dict[str, Reading]()
        if options.correct and self._spelling is not None:
            pool, corrections = self._corrected(request, reading, pool, self._spelling, work)
        if corrections:  # beside those that suit the typed letters, which stay the same
            typed = len(pool.parts[0].tokens)
            size = max(CORRECTED, options.max_suggestions + 2)
            rows += first_rows(pool, self._first_ranking, size, options.exclude_generated, start=typed)
        chosen = pool.candidates.rows(rows)
        if self._advisers:
            with work.stage("advice"):
                chosen = self._advisers.advise(chosen)
        candidates, neural = self._judged(options, pool, rows, chosen, work)
        ranked = order(candidates, pool.total, self._ranking)
        refiners = () if options.neural or not rows else self._refiners(pool)
        return _Listed(ranked, candidates, chosen.log_probs, neural, corrections, pool.total, refiners)

    def _corrected(
        self, request: Request, reading: Reading, pool: Pool, spelling: SpellingSource, work: Work
    ) -> tuple[Pool, dict[str, Reading]]:
        """The pool with what completes the corrections of typing errors, and which completes which."""
        if not spelling.suspects(reading) or not work.allows(OptionalPart.SPELLING, self._spelling_cost):
            return pool, {}
        searches, corrections = spelling.searches, dict[str, Reading]()
        with work.stage("spelling"):
            groups = itertools.groupby(spelling.propose(request, reading), key=operator.attrgetter("reading"))
            parts = [(other, self._described(other, list(proposals))) for other, proposals in groups]
            if parts:
                judge_readings([reading, *(other for other, _ in parts)], self._ranking)
                parts.sort(key=lambda part: -part[0].log_posterior)
                kinds = [kind for kind in self._duplicates.collapse if kind != "plural"]
                pool, corrections = pool_readings(reading, pool, parts, kinds)
        if spelling.searches > searches:  # what was known says nothing of what the next one costs
            self._spelling_cost.observe(work.timings[-1].duration_s)
        return pool, corrections

    def _judged(
        self, options: QueryOptions, pool: Pool, rows: Sequence[int], chosen: Candidates, work: Work
    ) -> tuple[Candidates, Floats | None]:
        """The chosen candidates with the neural parts' opinions, and what the neural model alone says if asked."""
        candidates, opinion = chosen, None
        asked = options.neural and bool(rows)
        if asked and self._rescorer.helps(pool) and work.allows(OptionalPart.NEURAL, self._neural_cost):
            with work.stage("neural"):
                candidates, read = self._rescorer.rescore(pool, rows, chosen)
            if read:
                self._neural_cost.observe(work.timings[-1].duration_s)
            if options.explain:
                with work.stage("explain"):
                    opinion = self._rescorer.opinions(pool, rows, chosen)
        if asked and self._reranks and work.allows(OptionalPart.RERANKER, self._reranker_cost, last=True):
            with work.stage("reranker"), self._reranker_cost.measured():
                candidates = rerank(self._model, candidates)
        return candidates, opinion

    def _refiners(self, pool: Pool) -> tuple[OptionalPart, ...]:
        could = {OptionalPart.NEURAL: self._rescorer.helps(pool), OptionalPart.RERANKER: self._reranks}
        return tuple(part for part, helps in could.items() if helps)

    def _popular(self, k: int, index: QueryIndex, work: Work) -> _Listed:
        """The most popular queries with their shares of the log: before a letter is typed no model has an opinion."""
        with work.stage("history"):
            k = max(k, CHOSEN)  # where a query has several forms, those behind it may come before them
            popular, total = index.completions("", 2 * k)
            texts, counts = [text for text, _ in popular], [count for _, count in popular]
            entries = index.entries_at(index.positions(texts)).tolist()
            rows = distinct(texts, counts, self._duplicates.collapse, self._duplicates.plural_ratio, entries)[:k]
            unknown = np.full(len(rows), -np.inf)
            candidates = Candidates(
                texts=[texts[row] for row in rows],
                lengths=np.array([len(texts[row]) for row in rows], np.float64),
                counts=np.array([counts[row] for row in rows], np.float64),
                log_probs=unknown,
                tokens=np.ones(len(rows)),
            )
            ranked = [(math.log(counts[row] / total), place) for place, row in enumerate(rows)]
        return _Listed(ranked, candidates, unknown)

    def _suggestions(self, request: Request, listed: _Listed, index: QueryIndex) -> tuple[QuerySuggestion, ...]:
        candidates, prefixes = listed.candidates, typed_prefixes(request.query)
        counts, ngram, elsewhere = candidates.counts.tolist(), listed.ngram.tolist(), candidates.elsewhere.tolist()
        neural = listed.neural.tolist() if listed.neural is not None else [-math.inf] * len(counts)
        suggestions = []
        shown = self._worth_showing(_forms(listed, index, self._fills), listed, request.options.min_acceptance_prob)
        for log_prob, row, form in shown[: request.options.max_suggestions]:
            text = candidates.texts[row]
            correction = listed.corrections.get(text)
            query, edits = (correction.query.rstrip(), correction.edits) if correction else (request.query, 0)
            popularity = math.log(counts[row] / index.total) if counts[row] > 0 else None
            terms = ScoreTerms(popularity, None if elsewhere[row] else _known(ngram[row]), _known(neural[row]), edits)
            if elsewhere[row]:
                typed = word_spans(form.display, query)
            else:
                typed = prefix_span(form.display, text, query, prefixes if correction is None else ())
            source = SuggestionSource.GENERATED if popularity is None else SuggestionSource.LOG
            suggestions.append(
                QuerySuggestion(text, form.display, log_prob, math.exp(log_prob), source, typed, terms, form.payload)
            )
        return tuple(suggestions)


    def _worth_showing(
        self, forms: Sequence[tuple[float, int, Shown]], listed: _Listed, least: float | None
    ) -> Sequence[tuple[float, int, Shown]]:
        """The forms above the floor: the caller's holds for all of them, the model's for guesses alone."""
        floor, candidates = self._ranking.floor if least is None else least, listed.candidates
        if floor <= 0:
            return forms
        log_floor, guessed_N = math.log(floor), candidates.counts == 0
        if candidates.edits is not None:
            guessed_N |= candidates.edits > 0
        guessed = guessed_N.tolist() if least is None else [True] * len(guessed_N)
        return [each for each in forms if each[0] >= log_floor or not guessed[each[1]]]


def _forms(listed: _Listed, index: QueryIndex, fills: bool) -> list[tuple[float, int, Shown]]:
    """Natural-log probability, row and form of all that could be listed, best first.

    Each form has its share of the query's probability, and moves behind what is more probable.
    """
    counts, found = listed.candidates.counts, []
    shown = index.shown([listed.candidates.texts[row] for _, row in listed.ranked])
    for (log_prob, row), forms in zip(listed.ranked, shown, strict=True):
        found += [(log_prob + math.log(max(form.share, _LEAST_SHARE)), row, form) for form in forms]
    if fills or len(found) > len(shown):
        found.sort(key=lambda each: (fills and not counts[each[1]], -each[0]))
    return found


def first_rows(pool: Pool, ranking: Ranking, k: int, exclude_generated: bool = False, *, start: int = 0) -> list[int]:
    """The candidates from a row on that are worth the other models' time, best first.

    They are the k best that begin as typed, as if there were no others, and those others that are among the k best of
    all. Generated ones that are not asked for go before the list is cut, or they would take the places of real ones.
    """
    candidates, size = pool.candidates, len(pool.tokens)
    kept = [row for row in range(start, size) if not exclude_generated or candidates.counts[row]]
    some = candidates if len(kept) == size else candidates.rows(kept)
    ranked = order(some, pool.total, ranking)
    if some.matching is None:
        return [kept[row] for _, row in ranked[: max(k, 0)]]
    elsewhere, left, rows = some.elsewhere.tolist(), k, list[int]()
    for place, (_, row) in enumerate(ranked):
        if place < k if elsewhere[row] else left > 0:
            left -= not elsewhere[row]
            rows.append(kept[row])
    return rows


def _corrected_query(listed: _Listed, suggestions: tuple[QuerySuggestion, ...]) -> str:
    """The correction that is more probable than all else, if a suggestion completes it."""
    shown = [listed.corrections[each.text] for each in suggestions if each.text in listed.corrections]
    return next((correction.query for correction in shown if correction.log_posterior > _PROBABLE), "")


def _known(log_prob: float) -> float | None:
    return log_prob if math.isfinite(log_prob) else None
