"""Weights of corrections, fitted on held-out queries with simulated typing errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from lm.text.normalize import normalize_query
from suggest.complete import QueryCompleter
from suggest.rank import evidence
from suggest.sources.source import Reading
from suggest.sources.spelling import SHORTEST
from training.evaluation.metrics import MIN_QUERY_LENGTH, typed_prefix
from training.evaluation.mistyped import RIGHT, meant_where_mistyped, mistyped
from training.fit.ranking import Choice, fit
from training.progress import Reporter

_QUERIES = 1000
_MISSPELT = 6  # the weight of misspelt words


def fit_corrections(bundle: Bundle, queries: Sequence[str], seed: int, reporter: Reporter) -> Ranking:
    """The bundle's ranking with the weights `readings` that make what was meant most probable.

    Only prefixes with corrections count. All other weights stay. So does that of misspelt words, for some held-out
    queries are misspelt themselves.
    """
    ranking, completer = bundle.manifest.ranking, QueryCompleter(bundle)
    prefixes = [(query, typed_prefix(query)) for query in queries if len(query) >= MIN_QUERY_LENGTH][:_QUERIES]
    prefixes = [(query, prefix) for query, prefix in prefixes if len(prefix) >= SHORTEST]
    drawn, choices = np.random.default_rng(seed), list[Choice]()
    with reporter.task("weights of corrections", len(prefixes)) as task:
        for number, (query, prefix) in enumerate(prefixes):
            task.update(number + 1)
            meant = meant_where_mistyped(query, drawn)
            for right, typed, times in ((prefix, prefix, RIGHT), (meant, mistyped(meant, drawn), 1)):
                readings = completer.readings(normalize_query(typed))
                if len(readings) > 1:
                    choices += [_choice(readings, right)] * times
    if not choices:
        return ranking
    usual = np.array(Ranking().readings)
    at_least_0 = np.array([True, True, True, False, True, True, True, False, False, False])
    held = np.arange(len(usual)) == _MISSPELT
    return ranking.model_copy(update={"readings": tuple(fit(choices, usual, at_least_0, held))})


def _choice(readings: Sequence[Reading], meant: str) -> Choice:
    """The choice of the reading that is what was meant."""
    wanted = next((place for place, reading in enumerate(readings) if reading.query == meant), len(readings))
    return Choice(evidence(readings), np.ones(1), wanted)
