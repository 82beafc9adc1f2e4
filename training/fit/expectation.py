"""Expectation-maximisation of the weights of two components (Dempster, Laird and Rubin, 1977)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PSEUDO_COUNT = 50.0
"""Tokens that a prior counts for; the optimum is flat, see `benchmarks/RESULTS.md`."""
_ITERATIONS = 100
_SMALLEST = 1e-3


def bucket_weights(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    buckets: NDArray[np.int64],
    prior: NDArray[np.float64],
    pseudo_count: float,
) -> NDArray[np.float64]:
    """The weights of the first component, one a bucket, that make the tokens most probable.

    Each step sets a bucket's weight to the share of its tokens that the first component accounts for, with
    `pseudo_count` tokens more that are shared as the prior says (the maximum a posteriori under a Dirichlet prior).
    It begins at the prior, so the likelihood of the tokens is never below that under the prior.

    Args:
        first, second: natural-log probabilities of the same tokens, float32 (n,); those of `first` may be -inf.
        buckets: int64 (n,), each token's.
        prior: float64 (number of buckets,).
    """
    odds = np.exp(np.clip(second.astype(np.float64) - first, -700.0, 700.0))
    counts = np.bincount(buckets, minlength=len(prior)) + pseudo_count
    weights = prior
    for _ in range(_ITERATIONS):
        weight = weights[buckets]
        accounted = np.bincount(buckets, weight / (weight + (1.0 - weight) * odds), len(prior))
        found = np.divide(accounted + pseudo_count * prior, counts, out=prior.copy(), where=counts > 0)
        weights = np.clip(found, _SMALLEST, 1.0 - _SMALLEST)
    return weights
