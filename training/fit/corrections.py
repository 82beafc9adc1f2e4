"""Weights of corrections, fitted on held-out queries with simulated typing errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from lm.text.normalize import normalize_query
from lm.text.typing_errors import TypingErrors, kinship
from suggest.candidates import Candidates
from suggest.complete import QueryCompleter
from suggest.rank import other_features, utilities
from suggest.sources.spelling import SHORTEST
from training.evaluation.metrics import MIN_QUERY_LENGTH, typed_prefix
from training.fit.ranking import Choice, fit
from training.progress import Reporter

_QUERIES = 1000
_SHOWN = 10
_RIGHT = 4
"""Prefixes without an error for each with one. Of whole queries 10 to 15% are misspelt (Cucerzan and Brill, 2004).
While a user types, a query also holds errors that are deleted later."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ERRORS = TypingErrors()
_KINSHIP = kinship()


def fit_corrections(bundle: Bundle, queries: Sequence[str], seed: int, reporter: Reporter) -> Ranking:
    """The bundle's ranking with the `posterior` and `corrected` that make the wanted queries most probable.

    Only lists with corrections count. All other weights stay.
    """
    ranking, completer = bundle.manifest.ranking, QueryCompleter(bundle)
    prefixes = [(query, typed_prefix(query)) for query in queries if len(query) >= MIN_QUERY_LENGTH][:_QUERIES]
    prefixes = [(query, prefix) for query, prefix in prefixes if len(prefix) >= SHORTEST]
    drawn, choices = np.random.default_rng(seed), list[Choice]()
    with reporter.task("weights of corrections", len(prefixes)) as task:
        for number, (query, prefix) in enumerate(prefixes):
            for typed, times in ((prefix, _RIGHT), (mistyped(prefix, drawn), 1)):
                candidates, total = completer.considered(normalize_query(typed), _SHOWN)
                if candidates.edits is not None:
                    choices += [_choice(candidates, total, ranking, query)] * times
            task.update(number + 1)
    if not choices:
        return ranking
    usual, held = np.array([1.0, 1.0, 0.0, 1.0]), np.array([True, False, False, True])
    _, posterior, corrected, _ = fit(choices, usual, np.array([False, True, False, False]), held)
    return ranking.model_copy(update={"posterior": posterior, "corrected": corrected})


def _choice(candidates: Candidates, total: float, ranking: Ranking, query: str) -> Choice:
    """The choice from a list. All its utilities are known, except what corrections add."""
    assert candidates.edits is not None
    assert candidates.log_posteriors is not None
    posteriors_N, texts = candidates.log_posteriors, list(candidates.texts)
    free_N = utilities(candidates, ranking) - posteriors_N
    other = other_features(candidates, total) @ np.array(ranking.other)
    wanted = texts.index(query) if query in texts else len(texts)
    listed = np.stack([free_N, posteriors_N, (candidates.edits > 0).astype(np.float64)], axis=1)
    return Choice(listed, np.array([other]), wanted)


def mistyped(prefix: str, drawn: np.random.Generator) -> str:
    """A normalised prefix with one error, drawn with the probabilities of `lm.text.typing_errors`."""
    errors = [(text, cost) for text, cost in _single_errors(prefix) if normalize_query(text) not in ("", prefix)]
    chances = np.exp([-cost for _, cost in errors])
    return errors[int(drawn.choice(len(errors), p=chances / chances.sum()))][0]


def _single_errors(text: str) -> Iterator[tuple[str, float]]:
    """Each text that differs by one error, and the error's cost."""
    for at, letter in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        if letter == " ":
            yield before + after, _ERRORS.omitted_space
            continue
        first = _ERRORS.first_letter if not before or before[-1] == " " else 0.0
        yield before + after, first + (_ERRORS.omitted_double if before[-1:] == letter else _ERRORS.omission)
        if after and after[0] not in (" ", letter):
            yield before + after[0] + letter + after[1:], first + _ERRORS.transposition
        if before and not first:
            yield before + " " + letter + after, _ERRORS.inserted_space
        for wrong in _LETTERS:
            near = ord(letter) < len(_KINSHIP) and _KINSHIP[ord(letter), ord(wrong)] == 1
            if wrong != letter:
                yield before + wrong + after, first + (_ERRORS.near_substitution if near else _ERRORS.substitution)
            beside = _ERRORS.inserted_near if near else _ERRORS.insertion
            yield before + letter + wrong + after, _ERRORS.inserted_double if wrong == letter else beside
