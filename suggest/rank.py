"""The one score by which queries from the log and generated ones share a list: a conditional logit.

A user who has typed something wants one of the listed queries or another one (McFadden, 1974):

    P(q) = exp u(q) / (sum of exp u over the list + exp u_other)
    u(q) = weights . (log p(q) if generated, log p(q) if logged, 1 if logged, log(1 + count), log(length), log(tokens),
                      -unknown words)
           + advisers . log a(q) + reranker * log s(q) + recency * log(1 + recent) + matching . m(q)
    u_other = other . (1, log(1 - sum of p over the list), log(1 + total))

`p` is the models' probability of the query given what was typed, `length` the characters not typed yet and `tokens`
what the language model spells them with, `total` the submissions of all queries with the typed prefix, `a` the query's
shares of the list by the bundle's further language models, `s` that by the re-ranker, where the bundle has one that is
asked (see `suggest.opinions` for both), `recent` its submissions of late, where the log has times. Of a query that
does not begin as it was typed `m` says how it was found (see `suggest.sources.words`), and `p` is its share of what
was submitted among all that was found. The weights are those under which held-out queries are most probable, so P is
calibrated. A language model has seen the queries of its log, and so its opinion of them weighs otherwise than that of
queries it made up: how much either says, and being in the log besides, the data tell.

Of what suits the typed letters a query of the log is never behind a generated one that is less probable by the models,
and one that does not begin as it was typed never before one that does and is at least as popular.

Where typing errors were looked for, the list holds several readings of what was typed: as it stands, and corrected.
Then

    P(q) = P(reading) P(q given the reading)

where the second factor is that of the formula above, as if the reading were certain, and the first a conditional logit
too: of the readings and of what is none of them, by what the noisy channel and the log say of each (see
`suggest.sources.spelling` and `training.fit.corrections`). No correction stands before a query of the log that begins
as typed and is at least as popular, unless what was typed is less probable to be right. The list is in the order of P.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from lm.bundle.manifest import Ranking
from lm.kernels.logit import ranked
from suggest.candidates import Candidates, Floats
from suggest.sources.source import Reading

_LEAST_LOG_PROB = -30.0
"""Stands for the models' opinion where they have none, as of letters that they do not know."""
_JUST_BELOW = 1e-8
_LEAST_OTHER = 1e-3
"""The models' probability of all that is not listed is at least this much."""


@functools.lru_cache(16)
def weight_vector(ranking: Ranking) -> Floats:
    """What `features` are multiplied with, float64 (F,), read-only."""
    weights_F = np.array([*ranking.weights, *ranking.advisers, ranking.reranker, ranking.recency])
    weights_F.flags.writeable = False
    return weights_F


@functools.lru_cache(16)
def _kernel_weights(ranking: Ranking) -> tuple[Floats, Floats, Floats]:
    """The weights of `features`, of `Candidates.matching` and of "another query"."""
    return weight_vector(ranking), np.array(ranking.matching), np.array(ranking.other)


def features(candidates: Candidates, advisers: int) -> Floats:
    """What is multiplied with the weights, the advisers', the re-ranker's and recency's, float64 (N, 9 + advisers)."""
    columns = np.zeros((9 + advisers, len(candidates.texts)))
    logged = candidates.counts > 0
    log_probs = np.maximum(candidates.log_probs, _LEAST_LOG_PROB)
    columns[0, ~logged], columns[1, logged] = log_probs[~logged], log_probs[logged]
    columns[2] = logged
    np.log1p(candidates.counts, out=columns[3])
    np.log(candidates.lengths, out=columns[4])
    np.log(candidates.tokens, out=columns[5])
    if candidates.unknown_words is not None:
        np.negative(candidates.unknown_words, out=columns[6])
    if candidates.advice is not None:
        np.maximum(candidates.advice.T, _LEAST_LOG_PROB, out=columns[7:-2])
    if candidates.log_shares is not None:
        columns[-2] = candidates.log_shares
    if candidates.recency is not None:
        columns[-1] = candidates.recency
    return columns.T


def other_features(candidates: Candidates, total: float) -> Floats:
    """What the weights of "another query" are multiplied with, float64 (3,).

    What does not begin as it was typed is no part of what the models expect after it.
    """
    listed = float(np.exp(candidates.log_probs[~candidates.elsewhere]).sum())
    return np.array([1.0, np.log(max(1.0 - listed, _LEAST_OTHER)), np.log1p(total)])


def judge_readings(readings: Sequence[Reading], ranking: Ranking) -> None:
    """Notes how probable each reading of what was typed is: as it stands, which is the first, and corrected.

    What is left is the probability that something else was meant.
    """
    utilities_R = evidence(readings) @ np.array(ranking.readings[:-1])
    utilities_R -= np.logaddexp(np.logaddexp.reduce(utilities_R), ranking.readings[-1])
    for reading, log_posterior in zip(readings, utilities_R.tolist(), strict=True):
        reading.log_posterior = log_posterior


def evidence(readings: Sequence[Reading]) -> Floats:
    """What is multiplied with `Ranking.readings`, without the constant of what is no reading, float64 (R, 9).

    Args:
        readings: as for `judge_readings`.
    """
    typed, *corrections = readings
    known = 0.0 if typed.misspelt_words else math.log1p(typed.total + typed.matched)  # others made the same error
    rows = [(typed.log_share, 0.0, known, 0.0, 0.0, -typed.unknown_words, -typed.misspelt_words, 0.0, 0.0)]
    share = float(np.logaddexp.reduce([each.log_share for each in corrections]))
    for each in corrections:
        known = math.log1p(each.total + each.matched)
        respaced = each.query.count(" ") != typed.query.count(" ")
        errors = (-each.unknown_words, -each.misspelt_words, -float(each.edits > 1), -float(respaced))
        rows.append((share, each.log_share - share, 0.0, 1.0, known, *errors))
    return np.array(rows, np.float64)


def order(candidates: Candidates, total: float, ranking: Ranking) -> list[tuple[float, int]]:
    """Natural-log probability and row of each candidate, best first.

    Ties: what suits the typed letters first, then queries of the log, then what begins as it was typed, then the
    heavier one, then in the order of their text.

    Args:
        total: submissions of all queries with the typed prefix; not looked at where there are several readings.
    """
    if not len(candidates.texts):
        return []
    if candidates.log_posteriors is None or candidates.totals is None:
        rows, tied = _order_reading(candidates, total, ranking)
        if tied:
            rows.sort(key=lambda place: _place(candidates, *place))
        return rows
    log_probs_N = np.empty(len(candidates.texts))
    for rows_R in candidates.readings:
        given, _ = _order_reading(candidates.rows(rows_R), float(candidates.totals[rows_R[0]]), ranking)
        for log_prob, place in given:
            log_probs_N[rows_R[place]] = log_prob + candidates.log_posteriors[rows_R[place]]
    listed = _added_up(candidates.texts, log_probs_N)
    capped: list[float] = _capped(candidates.rows(listed), log_probs_N[listed]).tolist()
    return sorted(zip(capped, listed, strict=True), key=lambda place: _place(candidates, *place))


def _added_up(texts: Sequence[str], log_probs_N: Floats) -> list[int]:
    """The rows of the texts; of equal ones the more probable, to whose probability those of the others are added."""
    rows = dict[str, int]()
    for row, text in enumerate(texts):
        other = rows.setdefault(text, row)
        if other != row:
            best = row if log_probs_N[row] > log_probs_N[other] else other
            log_probs_N[best] = np.logaddexp(log_probs_N[row], log_probs_N[other])
            rows[text] = best
    return list(rows.values())


def _order_reading(candidates: Candidates, total: float, ranking: Ranking) -> tuple[list[tuple[float, int]], bool]:
    """As `order`, of one reading, as if it were certain; ties in the order of their rows, and whether there are any."""
    weights, matching, other = _kernel_weights(ranking)
    return ranked(
        candidates.log_probs,
        candidates.counts,
        candidates.lengths,
        candidates.tokens,
        (candidates.unknown_words, candidates.log_shares, candidates.recency, candidates.advice, candidates.matching),
        weights,
        matching,
        other,
        total,
        _LEAST_LOG_PROB,
        _LEAST_OTHER,
        _JUST_BELOW,
    )


def _capped(candidates: Candidates, log_probs_N: Floats) -> Floats:
    """The log probabilities with those of corrections lowered to where they may stand.

    That is below each query of the log that begins as typed and is at least as popular, unless what was typed is less
    probable to be right than the correction.
    """
    assert candidates.edits is not None
    assert candidates.log_posteriors is not None
    typed = ((candidates.edits == 0) & (candidates.counts > 0) & ~candidates.elsewhere).nonzero()[0]
    corrected = candidates.edits.nonzero()[0]
    counts, posteriors = candidates.counts, candidates.log_posteriors
    protected_TC = counts[typed][:, None] >= counts[corrected]
    protected_TC &= posteriors[typed][:, None] >= posteriors[corrected]
    caps_C = np.where(protected_TC, log_probs_N[typed][:, None], np.inf).min(axis=0, initial=np.inf)
    # those that are lowered to the same place keep their order
    places_C = 1 + np.argsort(np.argsort(-log_probs_N[corrected], kind="stable"))
    capped_N = log_probs_N.copy()
    capped_N[corrected] = np.minimum(log_probs_N[corrected], caps_C - _JUST_BELOW * places_C)
    return capped_N


def _place(candidates: Candidates, log_prob: float, row: int) -> tuple[float, bool, bool, bool, float, str]:
    corrected = candidates.edits is not None and candidates.edits[row] > 0
    elsewhere = candidates.matching is not None and candidates.matching[row].any()
    weight = 0.0 if candidates.weight_order is None else float(candidates.weight_order[row])
    return -log_prob, bool(corrected), not candidates.counts[row], bool(elsewhere), -weight, candidates.texts[row]
