"""Completes queries: asks the sources, removes duplicates, ranks."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Mapping, Sequence

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from lm.errors import UnsupportedError
from lm.index.live_queries import LiveQueries
from lm.index.queries import QueryIndex
from lm.text.duplicates import distinct
from lm.text.normalize import normalize_query
from suggest.budget import Budget, CostEstimate, OptionalPart, Work
from suggest.candidates import Candidates, Floats, Pool, describe, log_share_of_models, pool_readings
from suggest.listing import Listed, Listing
from suggest.live import NOTHING, Known, Live
from suggest.opinions import SEEN, Advisers, Rescorer, rerank
from suggest.rank import judge_readings, order
from suggest.sources.curated import BoostedSource, SynonymsSource
from suggest.sources.live import LiveSource
from suggest.sources.log import LogSource
from suggest.sources.neural import NeuralSource
from suggest.sources.ngram import NgramSource
from suggest.sources.source import Proposal, Reading, Request, Source, read_typed
from suggest.sources.spelling import SpellingSource
from suggest.sources.words import WordsSource
from suggest.types import (
    Blocked,
    Generated,
    QueryCompletion,
    QueryOptions,
)

CHOSEN = 16
"""Candidates that are ranked at last: the shown ten and what may still rise among them."""
REAL = 10
"""Queries of the log that are ranked at last, if there are so many: a list without guesses is to be full too."""
CORRECTED = 12
"""Completions of corrections that are ranked with them."""


class QueryCompleter:
    """Completes queries from an open bundle; threads may share it.

    Args:
        neural: proposes in place of the source that the bundle says.
    """

    def __init__(self, bundle: Bundle, neural: NeuralSource | None = None) -> None:
        self._bundle = bundle
        self._model = bundle.language_model("queries")
        self._duplicates = bundle.manifest.duplicates
        self._known = Known(bundle.queries)
        self._ranking = bundle.manifest.ranking
        self._first_ranking = bundle.manifest.first_ranking
        self._generated = Generated(bundle.manifest.generated)
        self._from_left: tuple[Source, ...] = (NgramSource(self._model, bundle.words),)
        self._sources: tuple[Source, ...] = self._from_left
        if bundle.queries is not None:
            self._from_left += (LogSource(bundle.queries),)
            curated = BoostedSource(bundle.queries), SynonymsSource(bundle.queries)
            self._sources = (*self._from_left, *curated, WordsSource(bundle.queries), LiveSource(bundle.queries))
        self._spelling: SpellingSource | None = None
        if bundle.lexicon is not None:
            self._spelling = SpellingSource(self._model, bundle.lexicon, self._sources)
        self._advisers = Advisers(bundle.advisers() if self._ranking.advisers else ())
        self._rescorer = Rescorer(self._model)
        proposes = self._model.neural is not None and self._model.entry.neural_use == "propose"
        self._neural = neural or (NeuralSource(self._model, bundle.words) if proposes else None)
        self._neural_ranking = bundle.manifest.neural_ranking or self._ranking
        self._reranks = self._model.reranker is not None and self._ranking.reranker > 0
        self._listing = Listing(bundle)
        self._spelling_cost = CostEstimate(0.002)
        self._neural_cost = CostEstimate(0.002 if self._neural is None else 0.010)
        self._reranker_cost = CostEstimate(0.003)

    def complete(
        self, query: str, options: QueryOptions, budget: Budget | None, live: Live = NOTHING
    ) -> QueryCompletion:
        """Ranked completions; an empty query gets the most popular ones.

        Args:
            live: what is known beyond the bundle. What it blocks gives its place to other candidates.

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
            generated = Generated.OFF if options.tags else options.generated or self._generated
            options = options._replace(generated=generated)
            request = self._without_offence(Request(normalize_query(query), options, live))
        listed = self._ranked(request, work) if request.query else self._popular(request, self._bundle.queries, work)
        with work.stage("rank"):
            suggestions, corrected_query = self._listing.of(request, listed, self._known_to(request))
        return QueryCompletion(
            suggestions=suggestions,
            normalized_query=request.query,
            corrected_query=corrected_query,
            left_out=work.left_out,
            refiners=listed.refiners,
            timings=work.timings,
        )

    def _without_offence(self, request: Request) -> Request:
        """The request without what a model makes up where that would join what was typed with delicate words.

        Behind delicate words only queries of the log stand, corrected ones too. A last word that may go on is judged by
        what it becomes; one that is delicate itself is not corrected. A single letter may end a word that is spelt out.
        """
        never, (head, _, last) = self._bundle.never_generated, request.query.rpartition(" ")
        if never.silences(request.query if len(last) == 1 else head):
            return request._replace(options=request.options._replace(generated=Generated.OFF))
        if request.options.correct and never.silences(request.query):
            return request._replace(options=request.options._replace(correct=False))
        return request

    def proposed(self, query: str, *, whole: bool = False) -> Pool:
        """What log and models propose that begins as a normalised query, without near-duplicates.

        Args:
            whole: see `Reading`.
        """
        return self._proposed(Request(query), read_typed(self._model, query, whole=whole), self._from_left)

    def widened(self, query: str, k: int) -> tuple[Candidates, float]:
        """What is ranked of what begins as a normalised query if k are to be shown, the neural model's proposals too.

        Returns:
            The candidates with the mixture's probabilities, and the submissions of queries that begin so.
        """
        reading = read_typed(self._model, query)
        pool = self._proposed(Request(query), reading, self._from_left)
        rows = first_rows(pool, self._first_ranking, k)
        pool, mixed = self._widened(Request(query), reading, pool, rows)
        return self._advisers.advise(pool.candidates).with_log_probs(mixed), pool.total

    def considered(self, query: str, k: int) -> tuple[Candidates, float]:
        """What is ranked for a normalised query if k are to be shown, and the submissions behind all readings of it."""
        # its lists have weights of their own
        options = QueryOptions(max_suggestions=k, generated=Generated.MIX, neural=self._neural is None)
        listed = self._ranked(Request(query, options), Work(None))
        return listed.candidates, listed.total

    def readings(self, query: str) -> list[Reading]:
        """How a normalised query may be read: as it stands, which is the first, and with errors corrected."""
        request, reading = Request(query), read_typed(self._model, query)
        self._proposed(request, reading, self._sources)
        if self._spelling is None:
            return [reading]
        return [reading, *(other for other, _ in self._corrected(request, reading, self._spelling, Work(None)))]

    def _proposed(self, request: Request, reading: Reading, sources: Sequence[Source]) -> Pool:
        proposals = [proposal for source in sources for proposal in source.propose(request, reading)]
        return self._described(request, reading, proposals)

    def _described(self, request: Request, reading: Reading, proposals: Sequence[Proposal]) -> Pool:
        known = self._known_to(request)
        pool = describe(reading, proposals, self._model, known, self._bundle.never_generated)
        if request.options.tags is not None:  # models propose what has none
            forms = known.shown(pool.candidates.texts)
            pool = pool.rows([row for row, shown in enumerate(forms) if shown])
        pool = pool.distinct(self._duplicates, known)
        counts, matching = pool.candidates.counts, pool.candidates.matching
        reading.logged = int(np.count_nonzero(counts if matching is None else counts[pool.candidates.from_left]))
        return pool

    def _known_to(self, request: Request) -> Known:
        queries, tags = request.live.queries, request.options.tags
        return Known(self._bundle.queries, queries, tags) if queries or tags is not None else self._known

    def _ranked(self, request: Request, work: Work) -> Listed:
        options = request.options
        with work.stage("ngram"):
            reading = read_typed(self._model, request.query)
            pool = self._proposed(request, reading, self._sources)
            size = max(CHOSEN, options.max_suggestions + 2)
            rows = first_rows(pool, self._first_ranking, size, options.generated, request.live.blocked)
            rows += _boosted_rows(request, pool, rows)
        corrections, parts = dict[str, Reading](), list[tuple[Reading, Pool]]()
        if options.correct and (spelling := self._spelling) is not None:
            words = [lexicon for queries in request.live.queries for lexicon in queries.lexicons]
            parts = self._corrected(request, reading, spelling.knowing(words) if words else spelling, work)
        mixed: Mapping[str, float] | None = None
        may_propose = options.generated is not Generated.OFF and self._neural is not None
        if options.neural and may_propose and rows and self._asks_neural(reading, pool, parts, work):
            with work.stage("neural"), self._neural_cost.measured():
                pool, mixed = self._widened(request, reading, pool, rows)
            rows = [row for row, text in enumerate(pool.candidates.texts) if not request.blocks(text)]
        if parts:
            kinds = [kind for kind in self._duplicates.collapse if kind != "plural"]
            pool, corrections = pool_readings(reading, pool, parts, kinds)
        if corrections:  # beside those that suit the typed letters, which stay the same
            typed = len(pool.parts[0].tokens)
            size = max(CORRECTED, options.max_suggestions + 2)
            rows += first_rows(pool, self._first_ranking, size, options.generated, request.live.blocked, start=typed)
        chosen = pool.candidates.rows(rows)
        if self._advisers:
            with work.stage("advice"):
                chosen = self._advisers.advise(chosen)
        candidates, neural = self._judged(options, pool, rows, chosen, mixed, work)
        ranked = order(candidates, pool.total, self._ranking if mixed is None else self._neural_ranking)
        refiners = () if options.neural or not rows else self._refiners(pool, may_propose)
        return Listed(
            ranked, candidates, chosen.log_probs, neural, corrections, reading.log_posterior, pool.total, refiners
        )

    def _corrected(
        self, request: Request, reading: Reading, spelling: SpellingSource, work: Work
    ) -> list[tuple[Reading, Pool]]:
        """Corrections of typing errors, and what completes each."""
        if not spelling.suspects(reading) or not work.allows(OptionalPart.SPELLING, self._spelling_cost):
            return []
        searches = spelling.searches
        with work.stage("spelling"):
            groups = itertools.groupby(spelling.propose(request, reading), key=operator.attrgetter("reading"))
            parts = [(other, self._described(request, other, list(proposals))) for other, proposals in groups]
            if parts:
                judge_readings([reading, *(other for other, _ in parts)], self._ranking)
                parts.sort(key=lambda part: -part[0].log_posterior)
        if spelling.searches > searches:  # what was known says nothing of what the next one costs
            self._spelling_cost.observe(work.timings[-1].duration_s)
        return parts

    def _asks_neural(self, reading: Reading, pool: Pool, parts: Sequence[tuple[Reading, Pool]], work: Work) -> bool:
        """Whether the neural model proposes: the log does not know what was typed, and there is time."""
        every = [(reading, pool), *parts]
        total = sum(math.exp(each.log_posterior) * part.total for each, part in every) if parts else pool.total
        return total < SEEN and work.allows(OptionalPart.NEURAL, self._neural_cost)

    def _widened(
        self, request: Request, reading: Reading, pool: Pool, rows: Sequence[int]
    ) -> tuple[Pool, Mapping[str, float]]:
        """Some of a pool's candidates and what the neural model proposes; and what the mixture says of the texts."""
        assert self._neural is not None
        texts, known = pool.candidates.texts, self._known_to(request)
        explored = self._neural.explore(reading, [(texts[row], pool.tokens[row]) for row in rows])
        places = {text: row for row, text in enumerate(texts)}
        again = [places[each.text] for each in explored.proposals if each.text in places]
        new = [each for each in explored.proposals if each.text not in places]
        more = describe(reading, new, self._model, known, self._bundle.never_generated)
        pool = pool.rows([*rows, *again]).with_more(more).distinct(self._duplicates, known)
        share = log_share_of_models(reading)
        live = {query.text for queries in request.live.queries for _, query in queries.among(pool.candidates.texts)}
        mixed = {
            text: log_prob + share
            for text, log_prob in explored.log_probs.items()
            if text not in live  # of these the model knows little
        }
        return pool, mixed

    def _judged(
        self,
        options: QueryOptions,
        pool: Pool,
        rows: Sequence[int],
        chosen: Candidates,
        mixed: Mapping[str, float] | None,
        work: Work,
    ) -> tuple[Candidates, Floats | None]:
        """The chosen candidates with the neural parts' opinions, and what the neural model alone says if asked.

        Args:
            mixed: probabilities by the mixture, where the neural model has proposed.
        """
        candidates, opinion = chosen if mixed is None else chosen.with_log_probs(mixed), None
        asked, heard = options.neural and bool(rows), mixed is not None
        if asked and self._rescorer.helps(pool) and work.allows(OptionalPart.NEURAL, self._neural_cost):
            with work.stage("neural"):
                candidates, read = self._rescorer.rescore(pool, rows, chosen)
            if read:
                self._neural_cost.observe(work.timings[-1].duration_s)
            heard = True
        if heard and options.explain:
            with work.stage("explain"):
                opinion = self._rescorer.opinions(pool, rows, chosen)
        if asked and self._reranks and work.allows(OptionalPart.RERANKER, self._reranker_cost, last=True):
            with work.stage("reranker"), self._reranker_cost.measured():
                candidates = rerank(self._model, candidates)
        return candidates, opinion

    def _refiners(self, pool: Pool, may_propose: bool) -> tuple[OptionalPart, ...]:
        neural = self._rescorer.helps(pool) or (may_propose and pool.total < SEEN)
        could = {OptionalPart.NEURAL: neural, OptionalPart.RERANKER: self._reranks}
        return tuple(part for part, helps in could.items() if helps)

    def _popular(self, request: Request, index: QueryIndex, work: Work) -> Listed:
        """The most popular queries with their shares of the log: before a letter is typed no model has an opinion."""
        with work.stage("history"):
            # where a query has several forms, those behind it may come before them
            k, known = max(request.options.max_suggestions, CHOSEN), self._known_to(request)
            texts, total = _allowed_completions(index, 2 * k, request)
            counts = known.facts(texts).counts
            ordered = sorted(range(len(texts)), key=lambda row: -counts[row])
            texts, counts = [texts[row] for row in ordered], counts[ordered].tolist()
            entries = known.entries(texts)
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
        return Listed(ranked, candidates, unknown)


def first_rows(
    pool: Pool,
    ranking: Ranking,
    k: int,
    generated: Generated | None = Generated.MIX,
    blocked: Blocked | None = None,
    *,
    start: int = 0,
) -> list[int]:
    """The candidates from a row on that are worth the other models' time, best first.

    They are the k best that begin as typed, as if there were no others, and those others that are among the k best of
    all; and as many of the log's own that a list of these alone is full. Before the list is cut generated ones go, or
    go to its end, where they are not to stand among the others: or they would take the places of real ones.
    """
    candidates, size = pool.candidates, len(pool.tokens)
    kept = [row for row in range(start, size) if generated is not Generated.OFF or candidates.counts[row]]
    some = candidates if len(kept) == size else candidates.rows(kept)
    ranked = order(some, pool.total, ranking)
    logged = (some.counts > 0).tolist()
    if generated is Generated.FILL:
        ranked.sort(key=lambda place: not logged[place[1]])
    elsewhere = [False] * len(kept) if some.matching is None else some.elsewhere.tolist()
    place, left, real, rows = 0, k, REAL, list[int]()
    for _, row in ranked:
        if place < k if elsewhere[row] else left > 0 or (real > 0 and logged[row]):
            if blocked is not None and blocked.blocks(some.texts[row]):  # the next one takes its place
                continue
            left, real = left - (not elsewhere[row]), real - logged[row]
            rows.append(kept[row])
        place += 1
    return rows


def _boosted_rows(request: Request, pool: Pool, rows: Sequence[int]) -> list[int]:
    """Further rows of a pool: of what is boosted."""
    pins = request.live.pins
    texts = set[str]() if pins is None else set(pins.boosted(request.query))
    known = pool.candidates.counts
    found = [row for row, text in enumerate(pool.candidates.texts) if text in texts and known[row]] if texts else []
    return [row for row in found if row not in rows and not request.blocks(pool.candidates.texts[row])]


def _allowed_completions(index: QueryIndex, k: int, request: Request) -> tuple[list[str], float]:
    """The k most popular queries of index and live state each that are not blocked, and the submissions of all.

    They are fewer if most are blocked.
    """
    allowed, of_all = dict[str, None](), 0.0
    every: tuple[QueryIndex | LiveQueries, ...] = (index, *request.live.queries)
    for some in every:
        for count in (k, 4 * k, 64 * k):
            popular, total = some.completions("", count, request.options.tags)
            texts = [text for text, _ in popular if not request.blocks(text)]
            if len(texts) >= k or len(popular) < count:
                break
        allowed |= dict.fromkeys(texts[:k])
        of_all += total
    return list(allowed), of_all
