"""Percentile bootstrap of ratios (Efron and Tibshirani, 1993, chapters 13 and 16): how much chance is in a figure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 1
_LOW, _HIGH = 0.025, 0.975

Floats = NDArray[np.float64]


def resampled_ratios(
    numerators_BM: Floats, denominators_BM: Floats, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """M ratios of sums over B >= 1 queries drawn with replacement, float64 (resamples, M).

    Equal seeds draw the same of equally many queries: differences between two lists' ratios are then paired.

    Args:
        numerators_BM, denominators_BM: what each query adds; no denominator is 0.
    """
    rng = np.random.default_rng(seed)
    size, measures = numerators_BM.shape
    both_BN = np.concatenate([numerators_BM, denominators_BM], axis=1)
    sums_RN = np.empty((resamples, 2 * measures))
    for sums_N in sums_RN:
        times_B = np.bincount(rng.integers(0, size, size), minlength=size).astype(np.float64)
        sums_N[:] = times_B @ both_BN
    ratios_RM: Floats = sums_RN[:, :measures] / sums_RN[:, measures:]
    return ratios_RM


def interval(samples_R: Floats) -> tuple[float, float]:
    """The middle 95% of resampled values."""
    low, high = np.quantile(samples_R, [_LOW, _HIGH])
    return float(low), float(high)
