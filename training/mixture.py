"""The n-gram model's share of the mixture, by expectation-maximisation on held-out text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 50


def ngram_weight(ngram: NDArray[np.float32], neural: NDArray[np.float32]) -> float:
    """The weight that makes held-out tokens most probable (Jelinek and Mercer, 1980).

    Args:
        ngram, neural: natural-log probabilities of the same tokens, float32 (n,).
    """
    weight = 0.5
    for _ in range(ITERATIONS):
        mixed = np.logaddexp(np.log(weight) + ngram, np.log1p(-weight) + neural)
        weight = float(np.clip(np.exp(np.log(weight) + ngram - mixed).mean(), 1e-3, 1 - 1e-3))
    return weight
