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
and one that does not begin as it was typed never before one that does and is at least as popular: see `utilities`.

Where typing errors were looked for, the list holds several readings of what was typed: as it stands, and corrected.
`p` is then given the reading, the log of the reading's posterior probability (see `suggest.sources.spelling`) is added
to `u`, and what suits the typed letters is never outranked by a correction that is no more popular. The probability
stated comes from utilities in which that log has a weight of its own and corrections a constant (see
`training.fit.corrections`).
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lm.bundle.manifest import Ranking
from lm.kernels.logit import ranked
from suggest.candidates import Candidates, Floats

_LEAST_LOG_PROB = -30.0
"""Stands for the models' opinion where they have none, as of letters that they do not know."""
_JUST_BELOW = 1e-8
_FIRST_EXACT = ((-0.7, 8), (-2.0, 6), (-4.0, 4), (-20.0, 3))
"""Natural-log probability that the typed letters are right, and how many suggestions that suit them come before any
correction where it is above that: a query that nobody typed before looks much like a mistyped one, and the less so, the
fewer of its completions are likely to be wanted."""
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
    listed = float(np.exp(candidates.joint_log_probs[~candidates.elsewhere]).sum())
    return np.array([1.0, np.log(max(1.0 - listed, _LEAST_OTHER)), np.log1p(total)])


def utilities(candidates: Candidates, ranking: Ranking) -> Floats:
    """Utility of each candidate, float64 (N,), whatever the others are; but in the log at least what it is outside.

    A query of the log is lifted beside any generated one that is less or equally probable by the models, among
    those that suit the typed letters and among corrections. One in which the typed words stand one after the other
    from the left, in another form, is too. One that does not begin as it was typed is lowered below each of the log
    that does and is at least as popular.
    """
    features_NF = features(candidates, len(ranking.advisers))
    if candidates.edits is None:
        return _moved(candidates, features_NF, ranking)
    utilities_N = np.empty(len(features_NF))
    for rows in ((candidates.edits == 0).nonzero()[0], (candidates.edits > 0).nonzero()[0]):
        utilities_N[rows] = _moved(candidates.rows(rows), features_NF[rows], ranking)
    return utilities_N


def first_exact(log_posterior: float) -> int:
    """How many suggestions that suit the typed letters come before any correction.

    Args:
        log_posterior: natural log of the probability that these letters are right.
    """
    return next((number for least, number in _FIRST_EXACT if log_posterior > least), 0)


def _capped(candidates: Candidates, utilities_N: Floats) -> Floats:
    """The utilities with corrections lowered to where they may stand.

    A correction stands below what suits the typed letters and is at least as popular: as often in the log or, where
    both are in none, as probable by the models; and, unless the typed letters are almost certainly wrong, below the
    first few that suit them.
    """
    if candidates.edits is None:
        return utilities_N
    exact, corrected = (candidates.edits == 0).nonzero()[0], (candidates.edits > 0).nonzero()[0]
    if not len(exact) or not len(corrected):
        return utilities_N
    counts, joint = candidates.counts, candidates.joint_log_probs
    popular_EC = np.where(
        counts[exact][:, None] > 0,
        counts[exact][:, None] >= counts[corrected],
        (counts[corrected] == 0) & (joint[exact][:, None] >= joint[corrected]),
    )
    caps_C = np.where(popular_EC, utilities_N[exact][:, None], np.inf).min(axis=0)
    right = float(candidates.log_posteriors[exact].min()) if candidates.log_posteriors is not None else -np.inf
    first = first_exact(right)
    if first:
        caps_C = np.minimum(caps_C, np.sort(utilities_N[exact])[-first:][0])
    # corrections that are lowered to the same place keep their order, and stand below it: a tie is no place
    places_C = 1 + np.argsort(np.argsort(-utilities_N[corrected], kind="stable"))
    capped_N = utilities_N.copy()
    capped_N[corrected] = np.minimum(utilities_N[corrected], caps_C - _JUST_BELOW * places_C)
    return capped_N


def _moved(candidates: Candidates, features_NF: Floats, ranking: Ranking) -> Floats:
    utilities_N: Floats = features_NF @ weight_vector(ranking)
    if candidates.log_posteriors is not None:
        utilities_N += candidates.log_posteriors
    if candidates.matching is None:
        return _lifted(candidates, utilities_N, features_NF, ranking, candidates.counts > 0)
    utilities_N += candidates.matching @ np.array(ranking.matching)
    lifted_N = candidates.from_left & (candidates.counts > 0)
    return _lowered(candidates, _lifted(candidates, utilities_N, features_NF, ranking, lifted_N))


def _lifted(
    candidates: Candidates, utilities_N: Floats, features_NF: Floats, ranking: Ranking, lifted_N: NDArray[np.bool_]
) -> Floats:
    """The utilities of the log's own raised to what they would be outside it, and to those of generated ones below."""
    typed = ((candidates.counts > 0) & ~candidates.elsewhere).nonzero()[0]
    lifted, generated = lifted_N.nonzero()[0], (candidates.counts == 0).nonzero()[0]
    as_generated, as_logged, there, popularity = ranking.weights[:4]
    outside_L = (as_generated - as_logged) * features_NF[typed, 1] - there - popularity * features_NF[typed, 3]
    outside_L -= ranking.recency * features_NF[typed, -1]
    utilities_N[typed] += np.maximum(outside_L, 0.0)
    if len(lifted) and len(generated):
        log_probs = candidates.joint_log_probs
        below_LG = log_probs[generated] <= log_probs[lifted][:, None]
        best_L = np.where(below_LG, utilities_N[generated], -np.inf).max(axis=1)
        utilities_N[lifted] = np.maximum(utilities_N[lifted], best_L)
    return utilities_N


def _lowered(candidates: Candidates, utilities_N: Floats) -> Floats:
    """The utilities with those of what does not begin as it was typed lowered to where it may stand."""
    elsewhere = candidates.elsewhere.nonzero()[0]
    typed = ((candidates.counts > 0) & ~candidates.elsewhere).nonzero()[0]
    popular_TE = candidates.counts[typed][:, None] >= candidates.counts[elsewhere]
    caps_E = np.where(popular_TE, utilities_N[typed][:, None], np.inf).min(axis=0, initial=np.inf)
    free_E = utilities_N[elsewhere]
    before_E = 1 + (free_E > free_E[:, None] + 0.1 * _JUST_BELOW).sum(axis=1)
    utilities_N[elsewhere] = np.minimum(free_E, caps_E - _JUST_BELOW * before_E)
    return utilities_N


def order(candidates: Candidates, total: float, ranking: Ranking) -> list[tuple[float, int]]:
    """Natural-log probability and row of each candidate, best first, without generated ones under the floor.

    Where there are corrections, the probabilities need not fall: a few suggestions that suit the typed letters come
    first, however probable it is that these are wrong.

    Ties: what suits the typed letters first, then queries of the log, then what begins as it was typed, then the
    heavier one, then in the order of their text.

    Args:
        total: submissions of all queries with the typed prefix.
    """
    if not len(candidates.texts):
        return []
    if candidates.edits is not None or candidates.log_posteriors is not None:
        return order_readings(candidates, total, ranking)
    weights, matching, other = _kernel_weights(ranking)
    rows, tied = ranked(
        candidates.log_probs,
        candidates.counts,
        candidates.lengths,
        candidates.tokens,
        (candidates.unknown_words, candidates.log_shares, candidates.recency, candidates.advice, candidates.matching),
        weights,
        matching,
        other,
        total,
        ranking.floor,
        _LEAST_LOG_PROB,
        _LEAST_OTHER,
        _JUST_BELOW,
    )
    if tied:
        rows.sort(key=lambda place: _place(candidates, *place))
    return rows


def order_readings(candidates: Candidates, total: float, ranking: Ranking) -> list[tuple[float, int]]:
    """As `order`, for any list: several readings of what was typed, or one, which the kernel ranks alike."""
    free_N = utilities(candidates, ranking)
    # rounded, for sums differ in their last bits with a candidate's place among the others
    utilities_N = np.round(_capped(candidates, free_N), 9)
    log_probs = utilities_N - _normaliser(candidates, utilities_N, total, ranking)
    stays = _above_floor(candidates, free_N, log_probs, total, ranking).nonzero()[0]
    costs = -log_probs[stays]
    rows = stays[np.argsort(costs, kind="stable")].tolist()
    sorted_N = log_probs[rows]
    if (sorted_N[1:] == sorted_N[:-1]).any():
        rows.sort(key=lambda row: _place(candidates, float(log_probs[row]), row))
    if candidates.edits is not None:
        stated_N = _stated(candidates, free_N, ranking)
        log_probs = stated_N - _normaliser(candidates, stated_N, total, ranking)
    return list(zip(log_probs[rows].tolist(), rows, strict=True))


def _place(candidates: Candidates, log_prob: float, row: int) -> tuple[float, bool, bool, bool, float, str]:
    corrected = candidates.edits is not None and candidates.edits[row] > 0
    elsewhere = candidates.matching is not None and candidates.matching[row].any()
    weight = 0.0 if candidates.weight_order is None else float(candidates.weight_order[row])
    return -log_prob, bool(corrected), not candidates.counts[row], bool(elsewhere), -weight, candidates.texts[row]


def _stated(candidates: Candidates, utilities_N: Floats, ranking: Ranking) -> Floats:
    """The utilities that acceptance probabilities come from: of where a correction may stand they do not depend.

    The posterior is surer than it is right, and the more so of what nobody typed before: it counts as held-out queries
    with simulated errors say.
    """
    assert candidates.edits is not None
    assert candidates.log_posteriors is not None
    corrected = ranking.corrected * (candidates.edits > 0)
    stated: Floats = utilities_N + (ranking.posterior - 1.0) * candidates.log_posteriors + corrected
    return stated


def _normaliser(candidates: Candidates, utilities_N: Floats, total: float, ranking: Ranking) -> float:
    other = float(other_features(candidates, total) @ np.array(ranking.other))
    return float(np.logaddexp(np.logaddexp.reduce(utilities_N), other))


def _above_floor(
    candidates: Candidates, utilities_N: Floats, log_probs: Floats, total: float, ranking: Ranking
) -> NDArray[np.bool_]:
    """Which are in the log or, by the list of their reading alone, not less probable than the floor, bool (N,).

    So corrections drop nothing that suits the typed letters, nor does doubt about these.

    Args:
        log_probs: by the list of all readings, which is the same where there is one.
    """
    logged_N = candidates.counts > 0
    if ranking.floor <= 0 or logged_N.all():
        return np.ones(len(utilities_N), bool)
    alone_N = log_probs
    if candidates.log_posteriors is not None:
        alone_N = np.empty(len(utilities_N))
        for rows in candidates.readings:
            reading = candidates.rows(rows)
            given_N = utilities_N[rows] - candidates.log_posteriors[rows]
            reading_total = total if reading.totals is None else float(reading.totals[0])
            one = replace(reading, log_posteriors=None)
            alone_N[rows] = given_N - _normaliser(one, given_N, reading_total, ranking)
    above_N: NDArray[np.bool_] = np.round(alone_N, 9) >= np.log(ranking.floor)
    return logged_N | above_N
