"""Pins: texts that stand where the operator wants them, whatever log and models say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from suggest.types import QuerySuggestion, SuggestionSource


class Pin(NamedTuple):
    """A pinned text.

    Attributes:
        text: normalised.
        display: as it is shown.
        payload: empty: what is known of the text.
        place: from 1 on; 0 for one that is boosted.
        boost: what its probability is multiplied with; 0 for one that has a place.
    """

    text: str
    display: str
    payload: str
    place: int
    boost: float


class Pins:
    """The pins of one model at one moment, by what must be typed for them; immutable.

    Args:
        typed: those that hold when just this is typed, normalised without a space at its end.
        beginnings: those that hold when what is typed begins so.
    """

    def __init__(self, typed: Mapping[str, Sequence[Pin]], beginnings: Mapping[str, Sequence[Pin]]) -> None:
        self._typed = typed
        self._beginnings = beginnings
        self._lengths = sorted(set(map(len, beginnings)))
        every = (pin for each in (typed, beginnings) for pins in each.values() for pin in pins)
        self._boosts = any(pin.boost for pin in every)

    def of(self, query: str) -> list[Pin]:
        """Those that hold for a typed query, normalised. Of one text that of the longest beginning, or its own."""
        found = {pin.text: pin for length in self._lengths for pin in self._begun(query, length)}
        found |= {pin.text: pin for pin in self._typed.get(query.rstrip(" "), ())}
        return list(found.values())

    def boosted(self, query: str) -> list[str]:
        """The texts that are boosted for a typed query."""
        return [pin.text for pin in self.of(query) if pin.boost] if self._boosts else []

    def _begun(self, query: str, length: int) -> Sequence[Pin]:
        return self._beginnings.get(query[:length], ()) if length <= len(query) else ()


def boosted(
    suggestions: Iterable[QuerySuggestion], pins: Iterable[Pin], *, fills: bool = False, least: float = 0.0
) -> list[QuerySuggestion]:
    """Suggestions with the probabilities of the boosted ones multiplied, best first.

    Where all come to more than 1 then, each is divided by what they come to.

    Args:
        fills: whether what is generated stays behind all others.
        least: what is less probable then is left out.
    """
    factors = {pin.text: pin.boost for pin in pins if pin.boost}
    if not factors:
        return list(suggestions)
    ranked = [_boosted(each, factors[each.text]) if each.text in factors else each for each in suggestions]
    total = sum(each.acceptance_prob for each in ranked)
    if total > 1:
        ranked = [_divided(each, total) for each in ranked]
    ranked = [each for each in ranked if each.acceptance_prob >= least]
    return sorted(ranked, key=lambda each: (fills and each.source is SuggestionSource.GENERATED, -each.log_prob))


def placed(
    suggestions: Sequence[QuerySuggestion], pins: Iterable[Pin], made: Callable[[Pin], QuerySuggestion | None]
) -> list[QuerySuggestion]:
    """Suggestions with the pinned ones at their places; what stood there moves on.

    Of several for one place the first comes first, and the others follow it. A place behind the list's end is its end.

    Args:
        made: a suggestion that shows a pin which is not among them; None if it must not be shown.
    """
    with_places = sorted((pin for pin in pins if pin.place), key=lambda pin: pin.place)
    left, shown = list(suggestions), list[tuple[int, QuerySuggestion]]()
    for pin in with_places:
        listed = _of(left, pin)
        if listed is not None:
            left.remove(listed)
        suggestion = made(pin) if listed is None else _shown(listed, pin)
        if suggestion is not None:
            shown.append((pin.place - 1, suggestion))
    behind = 0
    for place, suggestion in shown:
        behind = min(max(place, behind), len(left)) + 1
        left.insert(behind - 1, suggestion)
    return left


def _boosted(suggestion: QuerySuggestion, factor: float) -> QuerySuggestion:
    log_prob = min(suggestion.log_prob + math.log(factor), 0.0)
    return suggestion._replace(log_prob=log_prob, acceptance_prob=math.exp(log_prob), pinned=True)


def _divided(suggestion: QuerySuggestion, total: float) -> QuerySuggestion:
    log_prob = suggestion.log_prob - math.log(total)
    return suggestion._replace(log_prob=log_prob, acceptance_prob=math.exp(log_prob))


def _of(suggestions: Sequence[QuerySuggestion], pin: Pin) -> QuerySuggestion | None:
    """The one that a pin is of: of several that are written alike that with its payload, or else the first."""
    found = [each for each in suggestions if each.text == pin.text]
    return next((each for each in found if each.payload == pin.payload), found[0] if found else None)


def _shown(suggestion: QuerySuggestion, pin: Pin) -> QuerySuggestion:
    return suggestion._replace(payload=pin.payload or suggestion.payload, pinned=True)
