"""The weights of the ranking score, fitted on held-out queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.bundle.bundle import Bundle
from lm.bundle.manifest import Ranking
from suggest.candidates import Candidates, Pool
from suggest.complete import CHOSEN, QueryCompleter, first_rows
from suggest.opinions import Advisers, Rescorer, rerank
from suggest.rank import features, other_features, weight_vector
from training.evaluation.metrics import MIN_QUERY_LENGTH, typed_prefix
from training.progress import Reporter

_QUERIES = 1000
"""Largest number of held-out queries used. The optimum is flat."""
_STEPS = 30
_FOLDS = 5
_RERANKER = -2
_AT_LEAST_0 = (True, True, False, True, False, False, True)
"""Which of `Ranking.weights` must not be negative. Those of advisers, re-ranker and recency must not be either."""
_OF_TITLES = (0.9, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
"""`Ranking.weights` where a catalogue is all that there is: a title is as probable as its share of the weights says.
Held-out titles would not tell more, for they are drawn by these weights."""


def fit_ranking(
    bundle: Bundle, queries: Sequence[str], reporter: Reporter, *, titles_alone: bool = False
) -> tuple[Ranking, Ranking]:
    """The weights that make the wanted queries most probable: those that choose candidates, and the final ones.

    The first are fitted on all candidates of the n-gram model, the final ones on the scores of all models. Where a
    catalogue is all that there is, titles come in the order of their weights.

    Args:
        titles_alone: whether the bundle has a catalogue and no log.
    """
    held = _OF_TITLES if titles_alone else None
    model, advisers = bundle.language_model("queries"), Advisers(bundle.advisers())
    queries = [query for query in queries if len(query) >= MIN_QUERY_LENGTH][:_QUERIES]
    completer, rescorer = QueryCompleter(bundle), Rescorer(model)
    pools: list[Pool] = []
    with reporter.task("ranking weights", 2 * len(queries)) as task:
        for number, query in enumerate(queries):
            pools.append(completer.proposed(typed_prefix(query)))
            task.update(number + 1)
        first = fit_weights(
            [Choice.of(pool.candidates, pool.total, query) for pool, query in zip(pools, queries, strict=True)], held
        )
        choices = []
        for number, (pool, query) in enumerate(zip(pools, queries, strict=True)):
            rows = first_rows(pool, first, CHOSEN)
            advised = advisers.advise(pool.candidates.rows(rows))
            rescored, _ = rescorer.rescore(pool, rows, advised)
            choices.append(Choice.of(rerank(model, rescored), pool.total, query, len(advisers)))
            task.update(len(queries) + number + 1)
    if model.reranker is not None:
        choices = _judge_reranker(choices, reporter)
    return first, fit_weights(choices, held)


def _judge_reranker(choices: list[Choice], reporter: Reporter) -> list[Choice]:
    """The choices, without the re-ranker unless it makes held-out queries clearly more probable."""
    gain, error = reranker_gain(choices)
    kept = gain > 2 * error
    reporter.say(
        f"The re-ranker makes a held-out query {gain:.3f} nats more probable (standard error {error:.3f}): "
        + ("it is asked." if kept else "it is not asked, and may be left out.")
    )
    return choices if kept else [choice.without_reranker() for choice in choices]


def reranker_gain(choices: Sequence[Choice]) -> tuple[float, float]:
    """The nats by which the re-ranker makes a query more probable, and the standard error.

    By five-fold cross-validation. All other weights are fitted anew, with and without the re-ranker.
    """
    if not choices:
        return 0.0, 0.0
    without = [choice.without_reranker() for choice in choices]
    return mean_and_error(held_out_log_probs(choices) - held_out_log_probs(without))


def held_out_log_probs(choices: Sequence[Choice]) -> NDArray[np.float64]:
    """Natural-log probability of each wanted query with weights fitted on the other folds of five, float64 (N,)."""
    found_N = np.empty(len(choices))
    for fold in range(min(_FOLDS, len(choices))):
        rest = [choice for number, choice in enumerate(choices) if number % _FOLDS != fold]
        found_N[fold::_FOLDS] = log_probs(choices[fold::_FOLDS], fit_weights(rest))
    return found_N


def mean_and_error(gains_N: NDArray[np.float64]) -> tuple[float, float]:
    """The mean and its standard error."""
    return float(gains_N.mean()), float(gains_N.std() / np.sqrt(len(gains_N)))


@dataclass(frozen=True, slots=True)
class Choice:
    """A held-out query and what was listed for its prefix.

    Attributes:
        listed: features of the N listed queries, those of `weight_vector`, float64 (N, F).
        other: features of "another query", float64 (3,).
        wanted: row of the held-out query; N if it was not listed.
    """

    listed: NDArray[np.float64]
    other: NDArray[np.float64]
    wanted: int

    @classmethod
    def of(cls, candidates: Candidates, total: float, query: str, advisers: int = 0) -> Choice:
        """The choice of `query` from a list that this many advisers have scored."""
        texts = list(candidates.texts)
        wanted = texts.index(query) if query in texts else len(texts)
        return cls(features(candidates, advisers), other_features(candidates, total), wanted)

    def without_reranker(self) -> Choice:
        """The same choice without the re-ranker's opinion."""
        listed = self.listed.copy()
        listed[:, _RERANKER] = 0.0
        return replace(self, listed=listed)


def fit_weights(choices: Sequence[Choice], held: tuple[float, ...] | None = None) -> Ranking:
    """Maximum a posteriori weights: a conditional logit, with a normal prior of variance 1 around the usual ones.

    A weight that must not be negative is held at 0.

    Args:
        held: values of `Ranking.weights` that are not fitted; advisers, re-ranker and recency then take no part.
    """
    usual_ranking = Ranking() if held is None else Ranking.model_validate({"weights": held})
    if not choices:
        return usual_ranking
    size = len(usual_ranking.weights)
    advisers = choices[0].listed.shape[1] - size - 2
    usual = _vector(usual_ranking.model_copy(update={"advisers": (0.0,) * advisers}))
    at_least_0 = np.array([*_AT_LEAST_0, *[True] * (advisers + 2), *[False] * len(usual_ranking.other)])
    held_F = np.array([held is not None] * (size + advisers + 2) + [False] * len(usual_ranking.other))
    fitted = fit(choices, usual, at_least_0, held_F)
    return Ranking.model_validate(
        {
            "weights": fitted[:size],
            "advisers": fitted[size : size + advisers],
            "reranker": fitted[size + advisers],
            "recency": fitted[size + advisers + 1],
            "other": fitted[size + advisers + 2 :],
        }
    )


def fit(
    choices: Sequence[Choice], usual: NDArray[np.float64], at_least_0: NDArray[np.bool_], held: NDArray[np.bool_]
) -> list[float]:
    """The most probable weights of the listed queries and of "another query", under a normal prior of variance 1.

    Args:
        usual: the prior's mean, (F,), and the weights that are `held`.
        at_least_0: weights that must not be negative.
    """
    features_BNF, listed_BN, wanted_B = _pad(choices)
    weights = usual
    while True:
        weights = _maximum(features_BNF, listed_BN, wanted_B, usual, weights, held)
        below = (weights < 0) & at_least_0
        if not below.any():
            return [round(float(weight), 6) for weight in weights]
        weights, held = np.where(below, 0.0, weights), held | below


def _vector(ranking: Ranking) -> NDArray[np.float64]:
    return np.append(weight_vector(ranking), ranking.other)


def log_probs(choices: Sequence[Choice], ranking: Ranking) -> NDArray[np.float64]:
    """Log probabilities of the wanted queries, (B,)."""
    features_BNF, listed_BN, wanted_B = _pad(choices)
    utilities_BN = np.where(listed_BN, features_BNF @ _vector(ranking), -np.inf)
    wanted_B1 = np.take_along_axis(utilities_BN, wanted_B[:, None], axis=1)
    log_probs_B: NDArray[np.float64] = (wanted_B1 - np.logaddexp.reduce(utilities_BN, axis=1, keepdims=True))[:, 0]
    return log_probs_B


def _pad(choices: Sequence[Choice]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Features (B, N + 1, F), which of them are real (B, N + 1), and the wanted places (B,). "Another" is last."""
    longest = max(len(choice.listed) for choice in choices)
    weights = choices[0].listed.shape[1]
    features_BNF = np.zeros((len(choices), longest + 1, weights + len(choices[0].other)))
    listed_BN = np.zeros((len(choices), longest + 1), bool)
    listed_BN[:, longest] = True
    wanted_B = np.zeros(len(choices), np.int64)
    for row, choice in enumerate(choices):
        size = len(choice.listed)
        features_BNF[row, :size, :weights] = choice.listed
        features_BNF[row, longest, weights:] = choice.other
        listed_BN[row, :size] = True
        wanted_B[row] = choice.wanted if choice.wanted < size else longest
    return features_BNF, listed_BN, wanted_B


def _maximum(
    features_BNF: NDArray[np.float64],
    listed_BN: NDArray[np.bool_],
    wanted_B: NDArray[np.int64],
    usual: NDArray[np.float64],
    start: NDArray[np.float64],
    held: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The maximum of the concave log posterior by Newton's method. A step is halved until it climbs."""

    def posterior(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        utilities_BN = np.where(listed_BN, features_BNF @ weights, -np.inf)
        log_probs_BN = utilities_BN - np.logaddexp.reduce(utilities_BN, axis=1, keepdims=True)
        likelihood = np.take_along_axis(log_probs_BN, wanted_B[:, None], axis=1).sum()
        return float(likelihood - 0.5 * ((weights - usual) ** 2).sum()), np.exp(log_probs_BN)

    wanted_BF = np.take_along_axis(features_BNF, wanted_B[:, None, None], axis=1)[:, 0]
    weights, free = start, ~held
    height, probs_BN = posterior(weights)
    for _ in range(_STEPS):
        mean_BF = np.einsum("bn,bnf->bf", probs_BN, features_BNF)
        slope = (wanted_BF - mean_BF).sum(axis=0) - (weights - usual)
        weighted_BNF: Any = features_BNF * probs_BN[..., None]
        curvature = np.einsum("bnf,bng->fg", weighted_BNF, features_BNF, optimize=True) - mean_BF.T @ mean_BF
        curvature += np.eye(len(usual))
        step = np.zeros(len(usual))
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        for halving in range(20):
            higher, probs_BN = posterior(weights + step / 2**halving)
            if higher >= height:
                break
        weights = weights + step / 2**halving
        if higher - height < 1e-9 * max(abs(height), 1.0):
            break
        height = higher
    return weights
