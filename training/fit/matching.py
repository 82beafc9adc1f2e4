"""Weights of queries that do not begin as they were typed, fitted on held-out queries that are typed otherwise.

Held-out prefixes alone would only punish such queries, for who typed them began at the beginning. So some are typed in
the other ways that people have: without marks and accents, with words joined or split, from a later word on, or with
the words in another order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from lm.text.normalize import normalize_query
from suggest.candidates import Candidates
from suggest.complete import QueryCompleter
from suggest.rank import features, other_features, weight_vector
from training.evaluation.metrics import MIN_QUERY_LENGTH, typed_prefix
from training.fit.ranking import Choice, fit
from training.progress import Reporter

_QUERIES = 2000
_SHOWN = 10
_RIGHT = 19
"""Prefixes that are typed from the left, as the query is written, for each that is not."""
_MARKS = re.compile(r"[^\w\s]+")
_LETTER_AND_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def fit_matching(bundle: Bundle, queries: Sequence[str], seed: int, reporter: Reporter) -> Ranking:
    """The bundle's ranking with the weights `matching` that make the wanted queries most probable.

    Only lists that hold queries which do not begin as typed count. All other weights stay.
    """
    ranking, completer = bundle.manifest.ranking, QueryCompleter(bundle)
    queries = [query for query in queries if len(query) >= MIN_QUERY_LENGTH][:_QUERIES]
    drawn, choices = np.random.default_rng(seed), list[Choice]()
    with reporter.task("weights of words in any order", len(queries)) as task:
        for number, query in enumerate(queries):
            for typed, times in ((typed_prefix(query), _RIGHT), (typed_otherwise(query, drawn), 1)):
                candidates, total = completer.considered(normalize_query(typed), _SHOWN)
                if candidates.matching is not None and candidates.edits is None:
                    choices += [_choice(candidates, total, ranking, query)] * times
            task.update(number + 1)
    if not choices:
        return ranking
    size = len(ranking.matching)
    usual = np.array([1.0, *Ranking().matching, 1.0])
    at_least_0 = np.array([False, *[True] * size, False])
    _, *matching, _ = fit(choices, usual, at_least_0, ~at_least_0)
    return ranking.model_copy(update={"matching": tuple(matching)})


def _choice(candidates: Candidates, total: float, ranking: Ranking, query: str) -> Choice:
    """The choice from a list. All its utilities are known, except what `matching` adds."""
    assert candidates.matching is not None
    known_N = features(candidates, len(ranking.advisers)) @ weight_vector(ranking)
    other = other_features(candidates, total) @ np.array(ranking.other)
    texts = list(candidates.texts)
    wanted = texts.index(query) if query in texts else len(texts)
    return Choice(np.column_stack([known_N, candidates.matching]), np.array([other]), wanted)


def typed_otherwise(query: str, drawn: np.random.Generator) -> str:
    """The beginning of a normalised query as it is typed in one of the other ways; empty if it cannot be."""
    ways = [text for text in _ways(query, drawn) if text != query and len(text) >= MIN_QUERY_LENGTH]
    typed = typed_prefix(ways[int(drawn.integers(len(ways)))]) if ways else ""
    return "" if query.startswith(typed) else typed


def _ways(query: str, drawn: np.random.Generator) -> list[str]:
    """How else a query may be typed: one text for each way that it allows."""
    words = query.split(" ")
    plain = "".join(each for each in unicodedata.normalize("NFD", query) if not unicodedata.combining(each))
    spaces = [" ".join(_MARKS.sub(mark, plain).split()) for mark in (" ", "")]
    found = [spaces[int(drawn.integers(2))]]
    if len(words) > 1:
        at = int(drawn.integers(1, len(words)))
        found += [" ".join([*words[: at - 1], words[at - 1] + words[at], *words[at + 1 :]])]
        found += [" ".join(words[at:]), " ".join(words[place] for place in drawn.permutation(len(words)))]
    return [*found, _LETTER_AND_DIGIT.sub(" ", query)]
