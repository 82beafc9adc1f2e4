"""Weights of the cache component, by expectation-maximisation on a held-out running text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lm.models.recent_words import RecentWords, age, shares_of
from training.fit.expectation import PSEUDO_COUNT, bucket_weights

_FIRST_GUESS = 0.05


def fit_recent_words(log_probs: NDArray[np.float32], tokens: NDArray[np.int32], limit: int) -> RecentWords:
    """The weights that make the tokens most probable, drawn towards one weight for any number of recent words.

    Args:
        log_probs: natural-log probabilities of the tokens without recent words, float32 (n,).
        tokens: of a running text, ends of sentences included, int32 (n,).
        limit: words remembered at most.
    """
    shares, counts, _ = shares_of(tokens.tolist(), (), limit)
    some = counts > 0
    with np.errstate(divide="ignore"):
        again = np.log(shares[some]).astype(np.float32)
    ages = np.array([age(count) for count in counts[some].tolist()], np.int64)
    together, guess = np.zeros(len(ages), np.int64), np.array([_FIRST_GUESS])
    whole = bucket_weights(again, log_probs[some], together, guess, 0.0)
    prior = np.full(age(limit) + 1, whole[0])
    weights = bucket_weights(again, log_probs[some], ages, prior, PSEUDO_COUNT)
    return RecentWords(limit=limit, weights=tuple(weights.tolist()))
