"""From which probability on a guess is worth showing: learnt from held-out queries.

A guess is a generated query or a corrected one. A list without the improbable ones is shorter and hides a wanted query
now and then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lm.bundle.bundle import Bundle
from suggest.model import Model
from suggest.types import QueryOptions, SuggestionSource
from training.evaluation.metrics import MIN_QUERY_LENGTH, SHOWN, typed_prefix
from training.progress import Reporter

_QUERIES = 2000
_COST = 0.01
"""Share of all reciprocal ranks that the floor may cost."""
_HIGHEST = 0.02
"""A guess that is right once in fifty times is worth showing."""
_USUAL = 0.01
"""The floor where held-out queries say too little."""
_FEWEST = 20
"""Right guesses without which nothing is learnt."""


def fit_floor(bundle: Bundle, queries: Sequence[str], reporter: Reporter) -> float:
    """The highest floor for guesses that costs at most 1% of the mean reciprocal rank of held-out queries.

    It is 2% at most, and 1% if fewer than 20 of these queries are guessed.

    Args:
        bundle: with all that it serves but the floor.
        queries: normalised.
    """
    queries = [query for query in queries if len(query) >= MIN_QUERY_LENGTH][:_QUERIES]
    model, options = Model(bundle), QueryOptions(max_suggestions=SHOWN, min_acceptance_prob=0.0)
    every, guessed = 0.0, list[tuple[float, float]]()
    with reporter.task("floor for guesses", len(queries)) as task:
        for number, query in enumerate(queries):
            for place, each in enumerate(model.complete_query(typed_prefix(query), options).suggestions, start=1):
                if each.text == query:
                    every += 1 / place
                    if each.source is SuggestionSource.GENERATED or each.terms.edit_count:
                        guessed.append((each.acceptance_prob, 1 / place))
                    break
            task.update(number + 1)
    if len(guessed) < _FEWEST:
        reporter.say(f"Too few held-out queries say from when on a guess is worth showing: it is from {_USUAL:.0%} on.")
        return _USUAL
    floor = min(_highest(guessed, _COST * every), _HIGHEST)
    reporter.say(f"A guess is shown if it is right at least {floor:.2%} of the time.")
    return floor


def _highest(guessed: Sequence[tuple[float, float]], allowed: float) -> float:
    """The probability of the first guess that is too much to lose, rounded down to two digits; 1 if there is none."""
    lost = 0.0
    for probability, gain in sorted(guessed):
        lost += gain
        if lost > allowed:
            if not probability:
                return 0.0
            scale = 10.0 ** (1 - math.floor(math.log10(probability)))
            return math.floor(probability * scale) / scale
    return 1.0
