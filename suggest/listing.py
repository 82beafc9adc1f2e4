"""From ranked candidates to the list that is shown: forms, floor, what was typed of each; the user's own, and pins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from lm.bundle.bundle import Bundle
from lm.index.shown import Shown
from lm.text.hangul import typed_prefixes
from suggest.budget import OptionalPart
from suggest.candidates import Candidates, Floats
from suggest.live import Known
from suggest.mixing import Mixing
from suggest.personal import User, prefix_log_share
from suggest.pins import Pin, boosted, placed
from suggest.sources.source import Reading, Request
from suggest.typed_spans import prefix_span, word_spans
from suggest.types import Generated, QuerySuggestion, ScoreTerms, SuggestionSource

_UNLISTED_LOG_PROB = -30.0
"""What is stated of a pinned text that would not be listed."""
_WIDEST = 64
"""Suggestions that are looked at where what is boosted, or the user's own, may rise among them."""
_LEAST_SHARE = 1e-300
"""Of a title's weight that is nothing beside another of the same title."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Natural-log probability and row of each candidate, best first, and each model's opinion of them.

    `corrections` has the correction that a text completes, if it completes one; `typed_log_posterior` says how probable
    it is that what was typed was meant; `total` are the submissions behind all readings; `refiners` are as of
    `QueryCompletion`.
    """

    ranked: list[tuple[float, int]]
    candidates: Candidates
    ngram: Floats
    neural: Floats | None = None
    corrections: dict[str, Reading] = field(default_factory=dict)
    typed_log_posterior: float = 0.0
    total: float = 0.0
    refiners: tuple[OptionalPart, ...] = ()


class Listing:
    """Makes lists; threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        self._total = 0.0 if bundle.queries is None else bundle.queries.total
        self._floor = bundle.manifest.ranking.floor
        self._duplicates = bundle.manifest.duplicates
        self._never = bundle.never_generated
        self._personal = bundle.manifest.personal

    def of(self, request: Request, listed: Listed, known: Known) -> tuple[tuple[QuerySuggestion, ...], str]:
        """The list, and the typed query with its errors corrected if something listed completes that, else empty."""
        options, live = request.options, request.live
        user = live.user if options.tags is None else None  # what the user typed has no tags
        pins = [] if live.pins is None else live.pins.of(request.query)
        wider = _widest(request) if user is not None or any(pin.boost for pin in pins) else request
        suggestions: Sequence[QuerySuggestion] = boosted(
            self._suggestions(wider, listed, known),
            pins,
            fills=options.generated is Generated.FILL,
            least=options.min_acceptance_prob or 0.0,
        )
        corrected_query = _corrected_query(request, listed, suggestions[: options.max_suggestions])
        if user is not None:
            suggestions = self._with_user(request, suggestions, listed.total, user)
        suggestions = placed(suggestions, pins, lambda pin: _pinned(request, pin, known))
        return tuple(suggestions[: options.max_suggestions]), corrected_query

    def _suggestions(self, request: Request, listed: Listed, known: Known) -> list[QuerySuggestion]:
        candidates, prefixes = listed.candidates, typed_prefixes(request.query)
        counts, ngram, elsewhere = candidates.counts.tolist(), listed.ngram.tolist(), candidates.elsewhere.tolist()
        neural = listed.neural.tolist() if listed.neural is not None else [-math.inf] * len(counts)
        suggestions = list[QuerySuggestion]()
        found = listed_forms(listed, known, request.options.generated)
        shown = self._worth_showing(found, listed, request.options.min_acceptance_prob)
        shown = [each for each in shown if not request.blocks(candidates.texts[each[1]])]  # whatever proposed it
        for log_prob, row, form in shown[: request.options.max_suggestions]:
            text = candidates.texts[row]
            corrected = candidates.edits is not None and candidates.edits[row] > 0
            correction = listed.corrections[text] if corrected else None
            query, edits = (correction.query.rstrip(), correction.edits) if correction else (request.query, 0)
            popularity = math.log(min(counts[row] / self._total, 1.0)) if counts[row] > 0 else None
            terms = ScoreTerms(popularity, None if elsewhere[row] else _known(ngram[row]), _known(neural[row]), edits)
            if elsewhere[row]:
                typed = word_spans(form.display, query)
            else:
                typed = prefix_span(form.display, text, query, prefixes if correction is None else ())
            source = SuggestionSource.GENERATED if popularity is None else _source(text, form, known)
            suggestions.append(
                QuerySuggestion(text, form.display, log_prob, math.exp(log_prob), source, typed, terms, form.payload)
            )
        return suggestions

    def _with_user(
        self, request: Request, listed: Sequence[QuerySuggestion], total: float, user: User
    ) -> Sequence[QuerySuggestion]:
        """The list with what its user may mean by what the user did before."""
        log_share = prefix_log_share(total, self._total) if request.query else 0.0
        chances = user.chances(request.query, log_share, self._personal)
        mixing = Mixing(
            query=request.query,
            options=request.options,
            kinds=[kind for kind in self._duplicates.collapse if kind != "plural"],
            floor=self._floor,
            hides=lambda text: self._never.screens(text) or request.blocks(text),
            may_generate=lambda text: not self._never.includes([text])[0],
        )
        return mixing.mixed(listed, chances)

    def _worth_showing(
        self, forms: Sequence[tuple[float, int, Shown]], listed: Listed, least: float | None
    ) -> Sequence[tuple[float, int, Shown]]:
        """The forms above the floor: the caller's holds for all of them, the model's for guesses alone."""
        floor, candidates = self._floor if least is None else least, listed.candidates
        if floor <= 0:
            return forms
        log_floor, guessed_N = math.log(floor), candidates.counts == 0
        if candidates.edits is not None:
            guessed_N |= candidates.edits > 0
        guessed = guessed_N.tolist() if least is None else [True] * len(guessed_N)
        return [each for each in forms if each[0] >= log_floor or not guessed[each[1]]]


def _widest(request: Request) -> Request:
    """The request for as many suggestions as there are candidates."""
    size = max(_WIDEST, request.options.max_suggestions)
    return request._replace(options=request.options._replace(max_suggestions=size))


def listed_forms(listed: Listed, known: Known, generated: Generated | None) -> list[tuple[float, int, Shown]]:
    """Natural-log probability, row and form of all that could be listed, best first.

    Each form has its share of the query's probability, and moves behind what is more probable.
    """
    counts, found = listed.candidates.counts, []
    shown = known.shown([listed.candidates.texts[row] for _, row in listed.ranked])
    for (log_prob, row), forms in zip(listed.ranked, shown, strict=True):
        found += [(log_prob + math.log(max(form.share, _LEAST_SHARE)), row, form) for form in forms]
    fills = generated is Generated.FILL
    if fills or any(len(forms) > 1 for forms in shown):
        found.sort(key=lambda each: (fills and not counts[each[1]], -each[0]))
    return found


def _pinned(request: Request, pin: Pin, known: Known) -> QuerySuggestion | None:
    """A suggestion of a pinned text that is not listed; None if it must not be shown."""
    if request.blocks(pin.text):
        return None
    forms = known.shown([pin.text])[0]
    if not forms:
        return None
    prefixes, display = typed_prefixes(request.query), pin.display
    begins = any(prefix.begins(pin.text) for prefix in prefixes)
    typed = prefix_span(display, pin.text, request.query, prefixes) if begins else word_spans(display, request.query)
    is_known = bool(known.facts([pin.text]).known[0])
    source = _source(pin.text, forms[0], known) if is_known else SuggestionSource.CATALOGUE
    payload, terms = pin.payload or forms[0].payload, ScoreTerms()
    log_prob = _UNLISTED_LOG_PROB
    return QuerySuggestion(pin.text, display, log_prob, math.exp(log_prob), source, typed, terms, payload, pinned=True)


def _source(text: str, form: Shown, known: Known) -> SuggestionSource:
    """Where a known query is from."""
    if form.entry:
        return SuggestionSource.CATALOGUE
    return SuggestionSource.TRENDING if known.is_live(text) else SuggestionSource.LOG


def _corrected_query(request: Request, listed: Listed, suggestions: Sequence[QuerySuggestion]) -> str:
    """The most probable of the corrections that suggestions complete, if it is more probable than what was typed."""
    shown = [listed.corrections[each.text] for each in suggestions if each.terms.edit_count]
    best = max(shown, key=lambda correction: correction.log_posterior, default=None)
    query = best.query if best is not None and best.log_posterior > listed.typed_log_posterior else ""
    return "" if request.blocks(query.rstrip()) else query


def _known(log_prob: float) -> float | None:
    return log_prob if math.isfinite(log_prob) else None
