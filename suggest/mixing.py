"""One list of what log and models have and of what its user may mean by what the user did before."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm.text.duplicates import duplicate_key
from lm.text.hangul import typed_prefixes
from suggest.own import Fit
from suggest.personal import Chance
from suggest.typed_spans import prefix_span, word_spans
from suggest.types import Generated, QueryOptions, QuerySuggestion, ScoreTerms, SuggestionSource

_JUST_BELOW = 1 - 1e-9
_LEAST = 1e-300


@dataclass(frozen=True, slots=True)
class Mixing:
    """How a list and a user's chances become one list.

    Attributes:
        query: what was typed, normalised.
        options: `generated` is not None.
        kinds: differences of `lm.text.duplicates` that never make another query: not `plural`.
        floor: the least probability of a guess.
        hides: whether a normalised text must not be shown.
        may_generate: whether a text that nobody has typed may be shown.
    """

    query: str
    options: QueryOptions
    kinds: Sequence[str]
    floor: float
    hides: Callable[[str], bool]
    may_generate: Callable[[str], bool]

    def mixed(self, listed: Sequence[QuerySuggestion], chances: Sequence[Chance]) -> tuple[QuerySuggestion, ...]:
        """The list, in the order of what it states; where nothing is typed, the user's own queries come first.

        A near-duplicate of a listed query is not added: its probability is. Then the user's own form is shown, unless
        the other is an entry of the catalogue.

        Args:
            listed: by the probabilities without the user, best first; more than are to be shown.
        """
        rest = max(1.0 - sum(math.exp(each.log_prob) for each in chances), 0.0)
        mixed, places = list[QuerySuggestion](), dict[str, int]()
        for other in listed:
            for name in (other.text, self._key(other.text)):
                places.setdefault(name, len(mixed))
            mixed.append(_with_prob(other, other.acceptance_prob * rest))
        allowed = itertools.islice(filter(self._may_show, chances), self.options.max_suggestions)
        for own in map(self._suggestion, allowed):
            place = places.get(own.text)
            if place is None:
                place = places.setdefault(self._key(own.text), len(mixed))
            if place == len(mixed):
                mixed.append(own)
            else:
                mixed[place] = _joined(mixed[place], own)
        return self._cut(mixed if self.query else _own_first(mixed))

    def _key(self, text: str) -> str:
        """What near-duplicates have in common; no query looks like it."""
        return "\n" + duplicate_key(text, *self.kinds)

    def _may_show(self, chance: Chance) -> bool:
        if self.hides(chance.text):
            return False
        if chance.fit is not Fit.REFINES:
            return True
        return self.options.generated is not Generated.OFF and self.may_generate(chance.text)

    def _suggestion(self, chance: Chance) -> QuerySuggestion:
        refines, edits = chance.fit is Fit.REFINES, int(chance.fit is Fit.MISTYPED)
        if chance.fit is Fit.WORDS:
            typed = word_spans(chance.display, self.query)
        else:
            prefixes = () if edits else typed_prefixes(self.query)
            typed = prefix_span(chance.display, chance.text, self.query, prefixes)
        source = SuggestionSource.GENERATED if refines else SuggestionSource.PERSONAL
        terms = ScoreTerms(edit_count=edits)
        return QuerySuggestion(
            chance.text, chance.display, chance.log_prob, math.exp(chance.log_prob), source, typed, terms
        )

    def _cut(self, mixed: Sequence[QuerySuggestion]) -> tuple[QuerySuggestion, ...]:
        least, fills = self.options.min_acceptance_prob, self.options.generated is Generated.FILL
        shown = [
            each
            for each in mixed
            if each.acceptance_prob >= (self.floor if least is None else least) or (least is None and not _guess(each))
        ]
        shown.sort(key=lambda each: (fills and each.source is SuggestionSource.GENERATED, -each.acceptance_prob))
        return tuple(shown[: self.options.max_suggestions])


def _guess(suggestion: QuerySuggestion) -> bool:
    if suggestion.source is SuggestionSource.PERSONAL:
        return False
    return suggestion.source is SuggestionSource.GENERATED or suggestion.terms.edit_count > 0


def _joined(there: QuerySuggestion, own: QuerySuggestion) -> QuerySuggestion:
    """One of near-duplicates with the probability of both."""
    prob = min(there.acceptance_prob + own.acceptance_prob, 1.0)
    if own.source is SuggestionSource.GENERATED:
        return _with_prob(there, prob)
    kept = there if there.source in (SuggestionSource.CATALOGUE, SuggestionSource.PERSONAL) else own
    return _with_prob(kept._replace(source=SuggestionSource.PERSONAL, pinned=there.pinned), prob)


def _with_prob(suggestion: QuerySuggestion, prob: float) -> QuerySuggestion:
    return suggestion._replace(log_prob=math.log(max(prob, _LEAST)), acceptance_prob=prob)


def _own_first(mixed: Sequence[QuerySuggestion]) -> list[QuerySuggestion]:
    """The list with the probabilities of others lowered to below that of the user's own."""
    own = [each for each in mixed if each.source is SuggestionSource.PERSONAL]
    others = sorted((each for each in mixed if each not in own), key=lambda each: -each.acceptance_prob)
    cap = min((each.acceptance_prob for each in own), default=math.inf)
    lowered = list[QuerySuggestion]()
    for each in others:
        cap *= _JUST_BELOW
        lowered.append(_with_prob(each, min(each.acceptance_prob, cap)))
    return [*own, *lowered]
